import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { leftOver, manyImages, start } from './program.ts';

const MODEL = ['-m', fixture('tiny-class')];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'eval-process-'));
  for (const label of ['cat', 'dog']) await manyImages(join(root, 'data', label), 2_000);
}, 180_000);
afterAll(() => rm(root, { recursive: true }));

describe('eval as a process', () => {
  it('ends with 130 on SIGINT, keeps the report of an earlier run, and leaves no process', async () => {
    const file = join(root, 'report.html');
    await writeFile(file, 'precious');
    const { child, ended } = start(['eval', join(root, 'data'), ...MODEL, '-o', file]);
    await expect.poll(() => leftOver(child).length, { timeout: 30_000 }).toBe(2); // the process and its worker process
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect([code, stdout]).toEqual([130, '']);
    expect(await readFile(file, 'utf8')).toBe('precious');
    await expect.poll(() => leftOver(child)).toEqual([]);
  });
});
