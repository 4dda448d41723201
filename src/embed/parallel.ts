import { type ImageEncoder, PROCESSES } from './encoder.ts';
import type { Launch } from './encoder-process.ts';
import { IsolatedEncoder } from './isolated.ts';
import type { Setup } from './messages.ts';
import { Quiet } from './quiet.ts';
import type { TimeLimits } from './watchdog.ts';

/**
 * Encodes images in worker processes, each with its share of the threads. With one thread there is one process. Two processes with one
 * thread each are faster than one process with two threads, because threads of one inference wait for each other after every product
 * (docs/performance.md).
 */
export function encodeInProcesses(setup: Setup, keeping: TimeLimits & Launch, processes = PROCESSES): ImageEncoder {
  const quiet = new Quiet();
  const shares = Array.from({ length: processes }, (_, n) => Math.floor((setup.threads + n) / processes)).reverse();
  const encoders = shares
    .filter((threads) => threads > 0)
    .map((threads) => new IsolatedEncoder({ ...setup, threads }, keeping, quiet));
  return encodeInParallel(encoders, keeping.memory !== undefined, () => quiet.isCrowded);
}

/**
 * Several encoders as one: each image goes to the encoder with the fewest images in progress. All give the same embedding.
 *
 * @param doubtful whether only the first encoder works until an image succeeds, because the model may need too much memory
 * @param isCrowded whether memory is enough for the first encoder only
 */
export function encodeInParallel(
  encoders: readonly ImageEncoder[],
  doubtful = false,
  isCrowded = () => false,
): ImageEncoder {
  const workers = encoders.map((encoder) => ({ encoder, inProgress: 0 }));
  let proven = !doubtful;
  const able = () => (proven && !isCrowded() ? workers : workers.slice(0, 1));
  const idlest = () => able().reduce((a, b) => (b.inProgress < a.inProgress ? b : a));
  return {
    provider: () => idlest().encoder.provider(),
    async encode(...image) {
      const worker = idlest();
      worker.inProgress++;
      try {
        const result = await worker.encoder.encode(...image);
        proven ||= result.ok;
        return result;
      } finally {
        worker.inProgress--;
      }
    },
    async release() {
      await Promise.all(encoders.map((encoder) => encoder.release()));
    },
  };
}
