import { usableMemory } from '../disk/machine.ts';
import { formatSize } from '../disk/size.ts';
import { ModelError, runErrorOf } from '../errors.ts';
import { EncoderProcess, type Launch } from './encoder-process.ts';
import { memoryFor } from './keeping.ts';
import type { EncodedPart, LabelPrompts, LabelRows } from './labels.ts';
import type { Opening, Reply, Setup } from './messages.ts';
import { type TimeLimits, Watchdog } from './watchdog.ts';

/** After more deaths, a worker process will never finish. */
const DEATHS = 2;

/** {@link encodeLabels} in a worker process, which can be killed if the tokenizer or the graph never ends. */
export async function encodeLabelsApart(
  setup: Setup,
  keeping: TimeLimits & Launch,
  prompts: LabelPrompts,
  onPart: (part: EncodedPart) => void = () => {},
): Promise<LabelRows> {
  return apart({ kind: 'labels', setup, prompts }, keeping, (reply) => {
    if (reply.kind === 'labels') onPart(reply.part);
    return reply.kind === 'rows' ? reply.rows : undefined;
  });
}

/** {@link measureLogitScale} in a worker process. */
export async function measureLogitScaleApart(setup: Setup, keeping: TimeLimits & Launch): Promise<number> {
  return apart({ kind: 'scale', setup }, keeping, (reply) => (reply.kind === 'scale' ? reply.logitScale : undefined));
}

/**
 * Does one task in its own worker process.
 *
 * @param answerIn returns the answer if a reply contains it
 * @throws ModelError if the process is stuck, dies several times or needs too much memory; the reason of an aborted signal
 */
function apart<T>(
  opening: Opening,
  keeping: TimeLimits & Launch,
  answerIn: (reply: Reply) => T | undefined,
): Promise<T> {
  const { signal } = keeping;
  const { model } = opening.setup;
  return new Promise((done, failed) => {
    let deaths = 0;
    let child: EncoderProcess | undefined;
    let state: 'opening' | 'working' = 'opening';
    const end = () => {
      watchdog.stop();
      signal?.removeEventListener('abort', onAbort);
      child?.kill();
    };
    const fail = (error: unknown) => {
      end();
      failed(error);
    };
    const onAbort = () => fail(signal?.reason);
    const onReply = (reply: Reply) => {
      watchdog.progress();
      if (reply.kind === 'alive') state = 'working';
      if (reply.kind === 'failed') return fail(runErrorOf(reply.error));
      const answer = answerIn(reply);
      if (answer === undefined) return;
      end();
      done(answer);
    };
    const start = () => {
      state = 'opening';
      watchdog.started();
      child = new EncoderProcess(opening, keeping, {
        onReplies: (replies) => replies.forEach(onReply),
        onDeath: (how) => (++deaths > DEATHS ? fail(diedOften(model, how, keeping.weightBytes)) : start()),
        onExcess: () => fail(tookMemory(model, keeping)),
      });
    };
    const watchdog = new Watchdog(
      keeping,
      () => state,
      (seconds) =>
        fail(
          watchdog.lacksThreads()
            ? lacksThreads(model)
            : new ModelError(
                `the text encoder of ${model} has made no progress for ${seconds.toFixed(0)} s`,
                'increase `timeout`, or download the model again',
              ),
        ),
    );
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort);
    start();
  });
}

export function diedOften(model: string, how: string, weightBytes: number): ModelError {
  const [needed, usable] = [formatSize(memoryFor(1, weightBytes)), formatSize(usableMemory())];
  return new ModelError(
    `the worker process ended ${DEATHS + 1} times while it opened ${model}: ${how}`,
    `free memory (about ${needed} are needed, ${usable} are available), raise the limit of processes and threads (ulimit -u, pids.max), or use a smaller model`,
  );
}

export function lacksThreads(model: string): ModelError {
  return new ModelError(
    `${model} cannot run: the limit of processes and threads is reached`,
    'raise the limit (ulimit -u, pids.max of the cgroup), or use fewer threads (`threads`)',
  );
}

export function tookMemory(model: string, { memory = 0 }: Launch): ModelError {
  return new ModelError(
    `${model} needs more than ${(memory / 1e9).toFixed(1)} GB of memory, far more than its weights`,
    'download or export the model again',
  );
}
