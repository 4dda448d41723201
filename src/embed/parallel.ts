import { type ImageEncoder, PROCESSES } from './encoder.ts';
import type { Launch } from './encoder-process.ts';
import { IsolatedEncoder } from './isolated.ts';
import type { Setup } from './messages.ts';
import type { Patience } from './watchdog.ts';

/**
 * Encodes images in {@link PROCESSES} child processes, each with its share of the threads; in one where there is one thread.
 * Two threads of one inference wait for the slower one after every product, and both wait while a batch is prepared; two
 * inferences on one thread each wait for nothing (docs/performance.md).
 */
export function encodeInProcesses(setup: Setup, keeping: Patience & Launch): ImageEncoder {
  const shares = [Math.ceil(setup.threads / PROCESSES), Math.floor(setup.threads / PROCESSES)];
  return encodeInParallel(
    shares.filter((threads) => threads > 0).map((threads) => new IsolatedEncoder({ ...setup, threads }, keeping)),
  );
}

/** Several encoders as one: each image goes to the one with the fewest under way. Embeddings do not depend on which. */
export function encodeInParallel(encoders: readonly ImageEncoder[]): ImageEncoder {
  const workers = encoders.map((encoder) => ({ encoder, underWay: 0 }));
  const idlest = () => workers.reduce((a, b) => (b.underWay < a.underWay ? b : a));
  return {
    provider: () => idlest().encoder.provider(),
    async encode(...image) {
      const worker = idlest();
      worker.underWay++;
      try {
        return await worker.encoder.encode(...image);
      } finally {
        worker.underWay--;
      }
    },
    async release() {
      await Promise.all(encoders.map((encoder) => encoder.release()));
    },
  };
}
