import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInput } from '../../src/disk/input.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'input-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('an input', () => {
  it('is read from a file, up to its limit', async () => {
    const path = join(folder, 'labels.txt');
    await writeFile(path, 'cat\ndog\n');
    expect((await readInput(path, 8)).toString()).toBe('cat\ndog\n');
    await expect(readInput(path, 7)).rejects.toThrow('more than 7 bytes');
    await expect(readInput(folder, 7)).rejects.toThrow('a folder');
    await expect(readInput(join(folder, 'nothing'), 7)).rejects.toThrow('ENOENT');
  });

  it.skipIf(process.platform === 'win32')('may be a FIFO whose writer comes late (not on Windows)', async () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const read = readInput(path, 100);
    await new Promise((done) => setTimeout(done, 200));
    spawn('sh', ['-c', `echo cat > '${path}'`]);
    expect((await read).toString()).toBe('cat\n');
  });

  it.skipIf(process.platform === 'win32')('ends at its limit if a device has no end (not on Windows)', async () => {
    await expect(readInput('/dev/zero', 1_000_000)).rejects.toThrow('more than 1000000 bytes');
  });
});
