import { execFile, execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bin, dice, manyImages, pause, start, TINY } from '../cli/program.ts';
import { fixture } from '../paths.ts';

let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'soak-exits-'));
  folder = join(root, 'images');
  await manyImages(folder, 3000);
}, 120_000);
afterAll(() => rm(root, { recursive: true }));

describe('200 exits', () => {
  const random = dice(22);
  it.each([
    ['after one image', () => [fixture('images/rgb.png'), ...TINY], 0],
    ['after a few in child processes, one of them bad', () => [fixture('images'), 'missing.jpg', ...TINY], 1],
    ['with a wrong option', () => [folder, '--nonsense'], 2],
    ['at SIGTERM, wherever the run is', () => [folder, ...TINY], 143],
  ] as const)('%s, 50 times: none by a signal of its own', async (_, args, code) => {
    for (let n = 0; n < 50; n++) {
      const { child, ended } = start(args());
      if (code === 143) {
        await pause(400 + random() * 900);
        child.kill('SIGTERM');
      }
      const { code: got, signal } = await ended;
      const isEarly = code === 143 && signal === 'SIGTERM'; // before Node has read the program; a shell shows the same code
      expect(isEarly ? [code, null] : [got, signal]).toEqual([code, null]);
    }
  });
});

describe.skipIf(process.platform !== 'linux')('threads (Linux)', () => {
  it('are at most twice the cores and 14 in each process', async () => {
    const { child, ended } = start([folder, ...TINY]);
    let most = 0;
    while (child.exitCode === null) {
      for (const pid of family(child.pid as number)) most = Math.max(most, threadsOf(pid));
      await pause(50);
    }
    await ended;
    process.stdout.write(`${most} threads in a process\n`);
    expect(most).toBeLessThanOrEqual(2 * availableParallelism() + 14);
  });

  it('print nothing if only one core is available', async () => {
    const words = ['-c', '0', process.execPath, bin, fixture('images/rgb.png'), ...TINY, '-f', 'label'];
    const { stderr } = await promisify(execFile)('taskset', words);
    expect(stderr).toBe('');
  });
});

function family(pid: number): number[] {
  const list = execFileSync('bash', ['-c', `ps -o pid= --ppid ${pid} || true`], { encoding: 'utf8' });
  return [pid, ...list.split('\n').filter(Boolean).map(Number)];
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0; // it has just ended
  }
}
