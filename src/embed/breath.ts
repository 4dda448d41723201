import { setImmediate as turn } from 'node:timers/promises';

/** Signals, timers and messages wait no longer than this, in milliseconds. */
const BREATH_MS = 50;

/** Work that runs for long in this thread calls it between its steps: now and then it lets everything else in. */
export function createBreath(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < BREATH_MS) return;
    await turn();
    last = performance.now();
  };
}
