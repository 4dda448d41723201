import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { HEAVY, REFUSED } from '../image/bombs.ts';
import { mutants, seeds } from '../image/mutants.ts';
import { outcome } from '../image/outcome.ts';

// Checks 2, 3 and 6 of docs/reliability.md at their full size. This file runs in a process of its own: a crash of
// libvips ends it and fails the run.

const MEGABYTE = 1e6;
const memory = (field: 'VmHWM' | 'VmRSS') =>
  Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
/** From here on VmHWM is the peak of what follows. */
const forgetPeak = () => writeFileSync('/proc/self/clear_refs', '5');

describe.skipIf(process.platform !== 'linux')('images (Linux; memory is read from /proc)', () => {
  beforeAll(async () => {
    for (const seed of await seeds()) expect(await outcome(seed)).toBe('ok');
  });

  it('2 and 6: 12,000 mutants, each at most a second, memory at the end as at the start', async () => {
    const whole = await seeds();
    const start = memory('VmRSS');
    const counts: Record<string, number> = {};
    let slowest = 0;
    for (const mutant of mutants(whole, 12_000, 7)) {
      const began = performance.now();
      const code = await outcome(mutant);
      slowest = Math.max(slowest, performance.now() - began);
      counts[code] = (counts[code] ?? 0) + 1;
    }
    const grown = (memory('VmRSS') - start) / MEGABYTE;
    report(`12,000 mutants: ${JSON.stringify(counts)}, slowest ${slowest.toFixed(0)} ms, +${grown.toFixed(0)} MB`);
    expect(slowest).toBeLessThan(1000);
    expect(grown).toBeLessThan(200);
  });

  it.each(HEAVY)('3: %s takes at most 5 s and a gibibyte', async (name, make) => {
    const idle = Math.min(memory('VmRSS'), IDLE_BYTES);
    const bytes = await make();
    forgetPeak();
    const began = performance.now();
    expect(await outcome(bytes)).toBe('ok');
    const seconds = (performance.now() - began) / 1000;
    const peak = memory('VmHWM') - idle;
    report(`${name}: ${seconds.toFixed(2)} s, +${(peak / MEGABYTE).toFixed(0)} MB`);
    expect(seconds).toBeLessThan(5);
    expect(peak).toBeLessThan(2 ** 30);
  });

  it.each(REFUSED)('3: %s is refused within 50 ms', async (name, make) => {
    const bytes = await make();
    const began = performance.now();
    expect(await outcome(bytes, { svg: true })).toBe('E_PIXEL_LIMIT');
    const taken = performance.now() - began;
    report(`${name}: refused in ${taken.toFixed(1)} ms`);
    expect(taken).toBeLessThan(50);
  });
});

/** A process that has loaded everything and decoded a picture; making the bombs leaves more behind, which counts. */
const IDLE_BYTES = 150e6;

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
