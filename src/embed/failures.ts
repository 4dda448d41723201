import { usableMemory } from '../disk/machine.ts';
import { formatSize } from '../disk/size.ts';
import { MORE_FILES, ModelError, TOO_MANY_FILES } from '../errors.ts';
import type { Launch } from './encoder-process.ts';
import { memoryFor } from './keeping.ts';

/** The worker processes of a model end again and again. @param times how often they have ended */
export function diedOften(model: string, how: string, times: number, weightBytes: number): ModelError {
  const fact = `the worker process ended ${times} times while it opened ${model}: ${how}`;
  if (how === TOO_MANY_FILES) return new ModelError(fact, MORE_FILES);
  const [needed, usable] = [formatSize(memoryFor(1, weightBytes)), formatSize(usableMemory())];
  return new ModelError(
    fact,
    `free memory (about ${needed} are needed, ${usable} are available), raise the limit of processes and threads (ulimit -u, pids.max), or use a smaller model`,
  );
}

/** No worker process gets its threads. */
export function lacksThreads(model: string): ModelError {
  return new ModelError(
    `${model} cannot run: the limit of processes and threads is reached`,
    'raise the limit (ulimit -u, pids.max of the cgroup), or use fewer threads (`threads`)',
  );
}

/** A foreign model takes far more memory than its weights have. */
export function tookMemory(model: string, { memory = 0 }: Launch): ModelError {
  return new ModelError(
    `${model} needs more than ${(memory / 1e9).toFixed(1)} GB of memory, far more than its weights`,
    'download or export the model again',
  );
}

/** The text encoder makes no progress. */
export function stuck(model: string, seconds: number): ModelError {
  return new ModelError(
    `the text encoder of ${model} has made no progress for ${seconds.toFixed(0)} s`,
    'increase `timeout`, or download the model again',
  );
}
