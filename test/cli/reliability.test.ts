import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endlessModel } from '../embed/endless-model.ts';
import { bin, imagesOf, leftOver, manyImages, start, TINY } from './program.ts';

let root: string;
let images: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reliability-'));
  images = await manyImages(join(root, 'images'), 1500);
});
afterAll(() => rm(root, { recursive: true }));

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');

describe('a reliable batch', () => {
  it('ends with 0 and prints nothing after | head -1', async () => {
    const command = quoted([process.execPath, bin, join(root, 'images'), ...TINY]);
    for (let n = 0; n < 3; n++) {
      // The status of the program, not of head.
      const script = `${command} | head -1; exit "\${PIPESTATUS[0]}"`;
      const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script]);
      expect([imagesOf(stdout), stderr]).toEqual([[images[0]], '']);
    }
  });

  it('loses no row if the reader starts late', async () => {
    const command = quoted([process.execPath, bin, join(root, 'images'), ...TINY]);
    const { stdout } = await promisify(execFile)('bash', ['-c', `${command} --quiet | (sleep 3; wc -l)`]);
    expect(Number(stdout)).toBe(1500);
  });

  it('times out the images of a model whose graph never ends, and leaves no process', async () => {
    const model = await endlessModel(join(root, 'endless'));
    const few = images.slice(0, 3);
    const { child, ended } = start([...few, '-l', 'cat,dog', '-m', model, '--logit-scale', '40', '--timeout', '2']);
    const { code, stdout } = await ended;
    expect(code).toBe(1);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ image, error }) => [image, error.code])).toEqual(few.map((image) => [image, 'E_TIMEOUT']));
    await expect.poll(() => leftOver(child)).toEqual([]);
  });
});
