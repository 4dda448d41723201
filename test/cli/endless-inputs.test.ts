import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEarlier } from '../../src/cli/eval/earlier.ts';
import { CachedRepo } from '../../src/hub/cache.ts';
import { readLearned } from '../../src/learn/file.ts';
import { valuesOf } from '../../src/model/reference-values.ts';
import { readTokens } from '../../src/server/guard.ts';
import { readTokenizer } from '../../src/text/tokenizer-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'endless-'));
});
afterEach(() => rm(folder, { recursive: true }));

const fifo = (path: string) => void execFileSync('mkfifo', [path]);

describe.skipIf(process.platform === 'win32')('a file without an end (not on Windows)', () => {
  it.each([
    ['a learned classifier', readLearned, 'more than 200000000 bytes; check the path'],
    ['a report of eval', readEarlier, 'more than 500000000 bytes; write one with'],
    ['tokens', readTokens, 'more than 1048576 bytes; check the path'],
  ] as const)('is refused at its limit as %s', async (_, read, line) => {
    await expect(read('/dev/zero')).rejects.toThrow(line);
  });

  it.each([fifo, (path: string) => symlink('/dev/zero', path)])(
    'is refused among the files of a model, whose reader would wait for ever',
    async (make) => {
      await make(join(folder, 'spiece.model'));
      await make(join(folder, 'reference.json'));
      await expect(readTokenizer(folder)).rejects.toMatchObject({
        code: 'E_MODEL',
        message: expect.stringContaining('not a regular file'),
      });
      await expect(valuesOf('other', folder)).rejects.toMatchObject({
        code: 'E_MODEL',
        message: expect.stringContaining('not a regular file'),
      });
    },
  );

  it('counts as missing where the cache of the Hub has the commit of a branch', async () => {
    const cache = new CachedRepo(folder, 'owner/name');
    const ref = join(cache.folder, 'refs/main');
    await mkdir(dirname(ref), { recursive: true });
    fifo(ref);
    expect(await cache.commitOf('main')).toBeUndefined();
  });
});
