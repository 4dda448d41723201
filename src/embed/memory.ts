import { readFileSync } from 'node:fs';

/** Milliseconds between checks. A graph that allocates gigabytes gets them within a second. */
const TICK_MS = 50;

/** Bytes beyond four times the weights: for decoding a large photograph, and for a batch. */
const ALLOWANCE = 2_000_000_000;

/** The memory limit of a worker process for a model with this size of weights, in bytes. */
export function memoryLimit(weightBytes: number): number {
  return ALLOWANCE + 4 * weightBytes;
}

/**
 * Calls back when a process has more memory than its limit. Works on Linux only.
 *
 * @returns a function that ends the watch
 */
export function watchMemory(pid: number, limit: number, onExcess: () => void): () => void {
  const timer = setInterval(() => {
    if (residentBytes(pid) <= limit) return;
    clearInterval(timer);
    onExcess();
  }, TICK_MS).unref();
  return () => clearInterval(timer);
}

function residentBytes(pid: number): number {
  try {
    const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0; // it has ended, or there is no /proc
  }
}
