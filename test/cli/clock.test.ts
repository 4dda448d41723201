import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canShiftClocks, shiftClocks, shiftedBy } from '../clock.ts';
import { imagesOf, manyImages, start, TINY } from './program.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clock-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(!canShiftClocks)('a clock that jumps by an hour (skipped without libfaketime)', () => {
  it('forward before a kill, and back while --resume runs, costs no row', async () => {
    const images = await manyImages(join(folder, 'images'), 1_500);
    const [output, clock] = [join(folder, 'rows.jsonl'), join(folder, 'clock')];
    const env = { ...process.env, ...shiftedBy(clock), CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
    const args = [join(folder, 'images'), ...TINY, '-o', output, '--resume', '--cache-images'];
    const rows = async () => imagesOf(await readFile(output, 'utf8').catch(() => ''));
    const until = async (count: number) => {
      for (let n = 0; n < 2_000 && (await rows()).length < count; n++) await new Promise((done) => setTimeout(done, 5));
    };
    await shiftClocks(clock, 0);
    const first = start(args, env);
    await until(100);
    await shiftClocks(clock, 3600);
    await until(300);
    first.child.kill('SIGKILL');
    await first.ended;
    await shiftClocks(clock, -3600);
    const second = start(args, env);
    await once(second.child, 'spawn');
    await until(600);
    await shiftClocks(clock, 3600);
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(await rows()).toEqual(images);
  }, 30_000);
});
