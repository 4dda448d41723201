import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds after which a disk counts as one that does not answer. */
const PATIENCE_MS = 10_000;

/**
 * The answer of a disk to a short question, such as the size of a file.
 *
 * @param answer the call of node:fs; if the disk does not answer, its thread waits for ever
 * @returns undefined if there is no answer within 10 seconds
 */
export async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  const gone = new AbortController();
  const late = sleep(PATIENCE_MS, undefined, { signal: gone.signal }).catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    gone.abort();
  }
}
