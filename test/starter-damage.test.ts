import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyStarter } from '../src/model/starter.ts';
import { repository } from './paths.ts';

const run = promisify(execFile);

it('has checksums that agree with the files of the starter', async () => {
  expect((await verifyStarter()).map(({ state }) => state)).toEqual(Array(5).fill('good'));
});

describe('an installed package whose starter has one flipped bit', () => {
  let copy: string;
  const cli = (...args: string[]) =>
    run(execPath, [join(copy, 'bin/clip-classify.js'), ...args], {
      env: { ...process.env, CLIP_CLASSIFY_CACHE: join(copy, 'cache') },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
    );
  const classify = () => cli(join(repository, 'examples/cat.jpg'), '-l', 'cat,dog', '-f', 'label');

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'damaged-starter-'));
    await mkdir(join(copy, 'models'));
    for (const part of ['bin', 'dist', 'package.json', 'models/starter', 'models/cards', 'models/prompts.json']) {
      await cp(join(repository, part), join(copy, part), { recursive: true });
    }
    await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'));
  });
  afterAll(() => rm(copy, { recursive: true }));

  it('works without damage', async () => {
    expect((await classify()).output.startsWith('cat')).toBe(true);
  });

  it('is refused by a run, doctor and verify', async () => {
    const file = await open(join(copy, 'models/starter/model.safetensors'), 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 20_000_000);
    buffer[0] = (buffer[0] ?? 0) ^ 4;
    await file.write(buffer, 0, 1, 20_000_000);
    await file.close();
    for (const args of [
      ['models', 'verify'],
      ['doctor', '--offline'],
    ]) {
      const { code, output } = await cli(...args);
      expect(code).not.toBe(0);
      expect(output.replace(/\s+/gu, ' ')).toContain('model.safetensors is damaged');
    }
    const { code, output } = await classify();
    expect(code).toBe(2);
    expect(output).toContain('install clip-classify again');
  });
});
