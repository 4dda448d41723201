import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bin, dice, imagesOf, leftOver, manyImages, pause, start, TINY } from '../cli/program.ts';
import { starve } from '../embed/starve.ts';

/** The long runs of docs/reliability.md at their full size. */
const COUNT = 10_000;
let root: string;
let folder: string;
let images: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'soak-'));
  folder = join(root, 'images');
  images = await manyImages(folder, COUNT);
}, 120_000);
afterAll(() => rm(root, { recursive: true }));

const children = (parent: number | undefined) =>
  execFileSync('bash', ['-c', `ps -o pid= --ppid ${parent} || true`], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map(Number);

/** Bytes of memory that a process and its children have in RAM. */
function residentBytes(pid: number | undefined): number {
  const of = (one: number) => {
    try {
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  };
  return pid === undefined ? 0 : [pid, ...children(pid)].reduce((sum, one) => sum + of(one), 0);
}

/** Whether the process was there: a worker may just have been ended because another needs quiet. */
function killed(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Runs over all images while worker processes are disturbed 30 times. If three in a row are disturbed while they open the model, the
 * run ends, and the next one continues.
 *
 * @param disturb does it to one process, and says whether it worked
 */
async function runDisturbed(name: string, random: () => number, disturb: (pid: number) => boolean): Promise<void> {
  const output = join(root, `${name}.jsonl`);
  let [times, runs, code] = [0, 0, 2];
  while (code === 2) {
    const { child, ended } = start([folder, ...TINY, '--quiet', '-o', output, '--resume']);
    runs++;
    while (child.exitCode === null && times < 30) {
      await pause(300 + random() * 700);
      for (const pid of children(child.pid)) if (disturb(pid)) times++;
    }
    const { code: last, stderr } = await ended;
    expect([last, stderr.includes('while it opened')]).toEqual(last === 2 ? [2, true] : [0, false]);
    code = last as number;
  }
  const rows = await readFile(output, 'utf8');
  expect(imagesOf(rows)).toEqual(images);
  process.stdout.write(`${times} × ${name} in ${runs} runs, ${rows.split('"error"').length - 1} rows with E_CRASH\n`);
}

describe('workers are killed at 30 random instants', () => {
  it.each(['SIGSEGV', 'SIGABRT', 'SIGKILL'] as const)(
    'by %s: every row appears once, no image gets E_CRASH',
    (signal) => runDisturbed(signal, dice(9), (pid) => killed(pid, signal)),
  );
});

describe.skipIf(process.platform !== 'linux')('workers can get no more memory (prlimit, of Linux)', () => {
  it('at 30 instants: every row appears once, no image gets E_CRASH', async () => {
    const random = dice(10);
    await runDisturbed('limit', random, (pid) => starve(pid, random() * 8e6));
  });
});

describe('kill -9 at 50 random instants of a run of 10,000 images', () => {
  it('no row is lost, repeated or partial', async () => {
    const output = join(root, 'out.jsonl');
    const random = dice(1);
    let kills = 0;
    for (let n = 0; n < 50; n++) {
      const { child, ended } = start([folder, ...TINY, '-o', output, '--resume']);
      await pause(300 + random() * 1500);
      child.kill('SIGKILL');
      if ((await ended).signal === 'SIGKILL') kills++;
    }
    const { code } = await start([folder, ...TINY, '-o', output, '--resume']).ended;
    expect(code).toBe(0);
    expect(imagesOf(await readFile(output, 'utf8'))).toEqual(images);
    process.stdout.write(`${kills} kills\n`);
  }, 600_000);
});

describe('SIGINT and SIGTERM at 100 random instants', () => {
  it('end within two seconds, with complete rows and no process left', async () => {
    const random = dice(16);
    let slowest = 0;
    for (let n = 0; n < 100; n++) {
      const [signal, exitCode] = n % 2 === 0 ? (['SIGINT', 130] as const) : (['SIGTERM', 143] as const);
      const { child, ended } = start([folder, ...TINY, '--quiet']);
      await pause(400 + random() * 1500);
      child.kill(signal);
      const begun = performance.now();
      const { code, signal: endedBy, stdout, stderr } = await ended;
      slowest = Math.max(slowest, (performance.now() - begun) / 1000);
      // Before Node has read the program, the signal itself ends the process: a shell shows the same code.
      expect([endedBy === signal ? exitCode : code, stderr]).toEqual([exitCode, '']);
      imagesOf(stdout);
      await expect.poll(() => leftOver(child)).toEqual([]);
    }
    expect(slowest).toBeLessThan(2);
    process.stdout.write(`the slowest of 100 took ${slowest.toFixed(2)} s\n`);
  }, 900_000);
});

describe('| head -1, a hundred times', () => {
  it('ends with 0 and prints nothing', async () => {
    const script = `'${process.execPath}' '${bin}' '${folder}' -l cat,dog -m '${TINY[3]}' | head -1; exit "\${PIPESTATUS[0]}"`;
    for (let n = 0; n < 100; n++) {
      const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script]);
      expect([imagesOf(stdout), stderr]).toEqual([[images[0]], '']);
    }
  }, 900_000);
});

describe('100,000 rows to a slow reader', () => {
  it('all arrive, and memory stays flat', async () => {
    const list = join(root, 'list');
    execFileSync('bash', [
      '-c',
      `for n in 1 2 3 4 5 6 7 8 9 10; do ls '${folder}' | sed "s|^|${folder}/|"; done > '${list}'`,
    ]);
    const { child, ended } = start(['--files-from', list, ...TINY, '--quiet']);
    child.stdout?.pause();
    await pause(5000);
    const held = residentBytes(child.pid);
    await pause(5000);
    const later = residentBytes(child.pid);
    child.stdout?.resume();
    const { stdout, code } = await ended;
    expect([code, imagesOf(stdout).length]).toEqual([0, 10 * COUNT]);
    expect(later - held).toBeLessThan(50e6);
    process.stdout.write(`${((later - held) / 1e6).toFixed(1)} MB grown while nobody read\n`);
  }, 900_000);
});

describe('20,000 images with the starter', () => {
  it('memory does not grow with their number', async () => {
    const list = join(root, 'twice');
    execFileSync('bash', ['-c', `for n in 1 2; do ls '${folder}' | sed "s|^|${folder}/|"; done > '${list}'`]);
    const { child, ended } = start(['--files-from', list, '-l', 'cat,dog', '--quiet']);
    let rows = 0;
    const samples: [number, number][] = [];
    child.stdout?.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) rows++;
    });
    const timer = setInterval(() => samples.push([rows, residentBytes(child.pid)]), 500);
    expect((await ended).code).toBe(0);
    clearInterval(timer);
    // Within the first half, V8 lets its heap grow to its size once: by 17 to 25 MB, wherever that falls.
    const slope = slopeOf(samples.filter(([done]) => done > 10_000 && done < 20_000)) * 10_000;
    process.stdout.write(`${(slope / 1e6).toFixed(2)} MB per 10,000 images`);
    expect(slope).toBeLessThan(5e6);
    const peak = Math.max(...samples.map(([, bytes]) => bytes));
    process.stdout.write(`, peak ${(peak / 1e6).toFixed(0)} MB\n`);
  }, 1_800_000);
});

/** Least squares: bytes per row. */
function slopeOf(samples: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(samples.map(([rows]) => rows)), mean(samples.map(([, bytes]) => bytes))];
  const above = samples.reduce((sum, [rows, bytes]) => sum + (rows - x) * (bytes - y), 0);
  return above / samples.reduce((sum, [rows]) => sum + (rows - x) ** 2, 0);
}
