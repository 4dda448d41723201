import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { bin, start, TINY } from './program.ts';

const IMAGES = fixture('images');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sameness-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

interface Row {
  readonly image: string;
  readonly labels?: readonly { readonly label: string; readonly score: number }[];
}
const rowsOf = (stdout: string): Row[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const scoresOf = ({ labels = [] }: Row) => new Map(labels.map(({ label, score }) => [label, score]));

/** The same images in the same order, with scores that differ by no more than sums in float32 do where batches differ. */
function expectSame(rows: readonly Row[], others: readonly Row[]): void {
  expect(rows.map(({ image }) => image)).toEqual(others.map(({ image }) => image));
  for (const [n, row] of rows.entries())
    for (const [label, score] of scoresOf(others[n] as Row))
      expect(Math.abs((scoresOf(row).get(label) as number) - score)).toBeLessThan(1e-4);
}

describe('the same folder', () => {
  it('gives the same rows in the same order, with scores within 1e-4, for any --batch and --threads', async () => {
    const runs: Row[][] = [];
    for (const batch of ['1', '8', '32'])
      for (const threads of ['1', '2'])
        runs.push(
          rowsOf((await start([IMAGES, ...TINY, '-f', 'jsonl', '--batch', batch, '--threads', threads]).ended).stdout),
        );
    const [first = [], ...others] = runs;
    expect(first.length).toBeGreaterThan(10);
    for (const rows of others) expectSame(rows, first);
  }, 60_000);

  it.each([
    ['HOME is unset', { HOME: undefined }],
    ['HOME is no folder', { HOME: fixture('images/rgb.png') }],
    ['the cache is in /proc, where no folder can be made', { CLIP_CLASSIFY_CACHE: '/proc/none/deep' }],
    ['the cache cannot be written', { CLIP_CLASSIFY_CACHE: fixture('images/rgb.png/none') }],
  ])('is answered with empty standard error where %s', async (_, variables) => {
    const env = { ...process.env, XDG_CACHE_HOME: undefined, ...variables };
    const { code, stdout, stderr } = await start([fixture('images/rgb.png'), ...TINY, '-f', 'label'], env).ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^(cat|dog)\n$/);
  });
});

const canTrace = (() => {
  try {
    execFileSync('unshare', ['-rn', 'strace', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

it.skipIf(!canTrace)(
  'opens no connection, in a network of its own (unshare and strace; skipped where they are missing)',
  async () => {
    const trace = join(folder, 'trace');
    const words = ['-rn', 'strace', '-f', '-qq', '-e', 'trace=connect', '-o', trace, process.execPath, bin];
    const args = [IMAGES, ...TINY, '-f', 'jsonl', '--offline'];
    const traced = await promisify(execFile)('unshare', [...words, ...args]).catch((error) => error);
    expectSame(rowsOf(traced.stdout), rowsOf((await start(args).ended).stdout));
    expect(await readFile(trace, 'utf8')).not.toMatch(/connect\(/);
  },
  60_000,
);
