import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cache-'));
  env = { CLIP_CLASSIFY_CACHE: folder };
});
afterAll(() => rm(folder, { recursive: true }));

const run = (...args: string[]) => cli(args, { env });
const fill = () =>
  run(fixture('images/rgb.png'), '-l', 'cat,dog', '-m', fixture('tiny-class'), '--cache-images', '--dtype', 'int8');
const show = async () => JSON.parse((await run('cache', 'show', '-f', 'json')).stdout);

describe('cache', () => {
  it('show has the size of each kind and model', async () => {
    expect(await show()).toMatchObject({ folder, bytes: 0, embeddings_limit: 2e9, weights_limit: 1e10, items: [] });
    expect((await fill()).code).toBe(0);
    const { bytes, items, last_used: ages } = await show();
    const kinds = items.map(({ kind, model }: { kind: string; model: string }) => `${kind} of ${model}`).sort();
    expect(kinds).toEqual([
      'checksums of null',
      'converted weights of tiny-class',
      'image embeddings of tiny-class',
      'label embeddings of tiny-class',
    ]);
    expect(ages).toMatchObject([{ when: 'within a day', bytes }, { bytes: 0 }, { bytes: 0 }, { bytes: 0 }]);
    const { stdout } = await run('cache', 'show');
    expect(stdout).toMatch(/^image embeddings +tiny-class +1 +[\d.]+ kB +\d{4}-\d\d-\d\d$/mu);
    expect(stdout).toContain('embeddings: at most 2.0 GB; weights and graphs: at most 10.0 GB');
  });

  it('prune and clear say what they deleted', async () => {
    await fill();
    const { stdout, code } = await run('cache', 'prune', '--older-than', '1d', '-f', 'json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { removed: 0, removed_bytes: 0, in_use: 0 }]);
    const { bytes } = await show();
    const cleared = JSON.parse((await run('cache', 'clear', '-f', 'json')).stdout);
    expect(cleared).toMatchObject({ removed_bytes: bytes, left_bytes: 0 });
    expect((await run('cache', 'clear')).stdout).toBe('removed 0 files, 0.0 kB; 0.0 kB left\n');
  });

  it.each([
    ['--max-size', '2 parsecs', 'use a size such as 500MB or 2GB'],
    ['--older-than', 'tuesday', 'use a number of minutes, hours, days or weeks'],
  ])('prune %s "%s" is refused', async (option, value, text) => {
    const { code, stderr } = await run('cache', 'prune', option, value);
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
  });

  it('has a limit of weights that a variable sets, which doctor and the runs check', async () => {
    const limited = { ...env, CLIP_CLASSIFY_WEIGHTS_SIZE: '500 MB' };
    expect((await cli(['cache', 'show'], { env: limited })).stdout).toContain('weights and graphs: at most 500.0 MB');
    expect((await cli(['doctor', '--offline'], { env: limited })).stdout).toContain('weights at most 500.0 MB');
    const wrong = { ...env, CLIP_CLASSIFY_WEIGHTS_SIZE: 'big' };
    const args = [fixture('images/rgb.png'), '-l', 'cat,dog', '-m', fixture('tiny-class')];
    expect(await cli(args, { env: wrong })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('E_USAGE: CLIP_CLASSIFY_WEIGHTS_SIZE is "big"; set it to a size'),
    });
  });

  it('has a limit of embeddings that a variable sets, which doctor and the runs check', async () => {
    const limited = { ...env, CLIP_CLASSIFY_CACHE_SIZE: '500 MB' };
    expect((await cli(['cache', 'show'], { env: limited })).stdout).toContain('at most 500.0 MB');
    expect((await cli(['cache', 'show'], { env: { ...env, CLIP_CLASSIFY_CACHE_SIZE: 'none' } })).stdout).toContain(
      'no limit',
    );
    const wrong = { ...env, CLIP_CLASSIFY_CACHE_SIZE: 'big' };
    const args = [fixture('images/rgb.png'), '-l', 'cat,dog', '-m', fixture('tiny-class')];
    const { code, stderr } = await cli(args, { env: wrong });
    expect([code, stderr]).toEqual([
      2,
      'clip-classify: error: E_USAGE: CLIP_CLASSIFY_CACHE_SIZE is "big"; set it to a size such as 500MB or 10GB, or to none\n',
    ]);
    const doctor = await cli(['doctor', '--offline'], { env: wrong });
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining('CLIP_CLASSIFY_CACHE_SIZE is "big"') });
  });
});
