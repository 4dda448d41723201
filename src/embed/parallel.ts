import { type ImageEncoder, PROCESSES } from './encoder.ts';
import type { Launch } from './encoder-process.ts';
import { IsolatedEncoder } from './isolated.ts';
import type { Setup } from './messages.ts';
import { Quiet } from './quiet.ts';
import type { Patience } from './watchdog.ts';

/**
 * Encodes images in so many child processes, each with its share of the threads; in one where there is one thread. Two threads of one inference wait for the slower one after every product, and both wait while a batch is prepared; two
 * inferences on one thread each wait for nothing (docs/performance.md).
 */
export function encodeInProcesses(setup: Setup, keeping: Patience & Launch, processes = PROCESSES): ImageEncoder {
  const quiet = new Quiet();
  const shares = Array.from({ length: processes }, (_, n) => Math.floor((setup.threads + n) / processes)).reverse();
  const encoders = shares
    .filter((threads) => threads > 0)
    .map((threads) => new IsolatedEncoder({ ...setup, threads }, keeping, quiet));
  return encodeInParallel(encoders, keeping.memory !== undefined, () => quiet.isCrowded);
}

/**
 * Several encoders as one: each image goes to the one with the fewest under way. Embeddings do not depend on which.
 *
 * @param doubtful until an image has been encoded only the first works: a model that asks for too much does so once
 * @param isCrowded whether memory is too short for more than the first
 */
export function encodeInParallel(
  encoders: readonly ImageEncoder[],
  doubtful = false,
  isCrowded = () => false,
): ImageEncoder {
  const workers = encoders.map((encoder) => ({ encoder, underWay: 0 }));
  let proven = !doubtful;
  const able = () => (proven && !isCrowded() ? workers : workers.slice(0, 1));
  const idlest = () => able().reduce((a, b) => (b.underWay < a.underWay ? b : a));
  return {
    provider: () => idlest().encoder.provider(),
    async encode(...image) {
      const worker = idlest();
      worker.underWay++;
      try {
        const result = await worker.encoder.encode(...image);
        proven ||= result.ok;
        return result;
      } finally {
        worker.underWay--;
      }
    },
    async release() {
      await Promise.all(encoders.map((encoder) => encoder.release()));
    },
  };
}
