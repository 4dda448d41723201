import { setImmediate as turn } from 'node:timers/promises';

/** The longest that signals, timers and messages wait, in milliseconds. */
const BREATH_MS = 50;

/** Called between the steps of long work in this thread, so that signals, timers and messages are handled. */
export function createBreath(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < BREATH_MS) return;
    await turn();
    last = performance.now();
  };
}
