import { readFileSync } from 'node:fs';

/** A graph that asks for gigabytes gets them within a second. */
const TICK_MS = 50;

/** What a model may take beyond four times its weights, in bytes: a large photograph while it is decoded, and a batch. */
const ALLOWANCE = 2_000_000_000;

/** How much memory a process may take that runs a model with so many bytes of weights. */
export function memoryLimit(weightBytes: number): number {
  return ALLOWANCE + 4 * weightBytes;
}

/**
 * Tells when a process has more memory than its limit; where the system does not say (all but Linux), never.
 *
 * @returns what ends the watch
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
