import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { HEAVY, REFUSED } from '../image/bombs.ts';
import { mutants, seeds } from '../image/mutants.ts';
import { outcome } from '../image/outcome.ts';
import { fixture, repository } from '../paths.ts';

// The checks of images in docs/reliability.md at their full size. This file runs in a process of its own: a crash of
// libvips ends it and fails the run.

const MEGABYTE = 1e6;
const residentBytes = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

describe.skipIf(process.platform !== 'linux')('images (Linux; memory is read from /proc)', () => {
  beforeAll(async () => {
    for (const seed of await seeds()) expect(await outcome(seed)).toBe('ok');
  });

  it('12,000 damaged copies take at most a second each, and memory does not grow', async () => {
    const whole = await seeds();
    const start = residentBytes();
    const counts: Record<string, number> = {};
    let slowest = 0;
    for (const mutant of mutants(whole, 12_000, 7)) {
      const began = performance.now();
      const code = await outcome(mutant);
      slowest = Math.max(slowest, performance.now() - began);
      counts[code] = (counts[code] ?? 0) + 1;
    }
    const grown = (residentBytes() - start) / MEGABYTE;
    report(`12,000 mutants: ${JSON.stringify(counts)}, slowest ${slowest.toFixed(0)} ms, +${grown.toFixed(0)} MB`);
    expect(slowest).toBeLessThan(1000);
    expect(grown).toBeLessThan(200);
  });

  it.each(HEAVY)('%s takes at most 5 s and a gibibyte', async (name, make) => {
    const { outcome, milliseconds, bytes } = await cost(await make());
    report(`${name}: ${(milliseconds / 1000).toFixed(2)} s, +${(bytes / MEGABYTE).toFixed(0)} MB`);
    expect(outcome).toBe(3 * 224 * 224);
    expect(milliseconds).toBeLessThan(5000);
    expect(bytes).toBeLessThan(2 ** 30);
  });

  it.each(REFUSED)('%s is refused within 50 ms', async (name, make) => {
    const { outcome, milliseconds, bytes } = await cost(await make());
    report(`${name}: refused in ${milliseconds.toFixed(1)} ms, +${(bytes / MEGABYTE).toFixed(0)} MB`);
    expect(outcome).toBe('E_PIXEL_LIMIT');
    expect(milliseconds).toBeLessThan(50);
  });
});

interface Cost {
  readonly outcome: number | string;
  readonly milliseconds: number;
  readonly bytes: number;
}

/** The time and additional memory of an image, measured in its own process. */
async function cost(image: Buffer): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'bomb-'));
  try {
    await writeFile(join(folder, 'image'), image);
    const child = [join(repository, 'test/soak/decode-one.mjs'), fixture('images/rgb.png'), join(folder, 'image')];
    const { stdout } = await promisify(execFile)(process.execPath, child);
    return JSON.parse(stdout) as Cost;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
