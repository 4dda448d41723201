import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dice, type Ended, imagesOf, leftOver, manyImages, pause, start, TINY } from './program.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interruption-'));
  await manyImages(folder, 4000);
});
afterAll(() => rm(folder, { recursive: true }));

/** As a shell sees it: on a busy machine the signal may come before the program has begun. */
const statusOf = ({ code, signal }: Pick<Ended, 'code' | 'signal'>) =>
  code ?? 128 + (signal === null ? 0 : constants.signals[signal]);

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, exitCode) => {
  it.each(['jsonl', 'json'])('ends a run in two seconds, with whole rows (%s)', async (format) => {
    const random = dice(exitCode);
    for (let n = 0; n < 3; n++) {
      const { child, ended } = start([folder, ...TINY, '-f', format]);
      await pause(500 + random() * 2000);
      child.kill(signal);
      const begun = performance.now();
      const { stdout, stderr, ...how } = await ended;
      expect([statusOf(how), stderr]).toEqual([exitCode, '']);
      expect((performance.now() - begun) / 1000).toBeLessThan(2);
      if (format === 'jsonl') expect(imagesOf(stdout).length).toBeLessThan(4000);
      else if (stdout !== '') expect(JSON.parse(stdout).results.length).toBeLessThan(4000);
      await expect.poll(() => leftOver(child)).toEqual([]);
    }
  });

  it('ends at once when it comes twice', async () => {
    const { child, ended } = start([folder, ...TINY]);
    await pause(1000);
    child.kill(signal);
    await pause(20);
    const begun = performance.now();
    child.kill(signal);
    expect(statusOf(await ended)).toBe(exitCode);
    expect((performance.now() - begun) / 1000).toBeLessThan(0.5);
  });
});
