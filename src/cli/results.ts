import type { ImageResult } from '../classifier.ts';
import type { Counts, ResultOutput } from '../output/result-output.ts';
import type { ResultWriter } from '../output/writer.ts';
import { type Io, unlessInterrupted } from './io.ts';
import type { Progress } from './progress.ts';

/** The results up to the first image that failed, which is among them. */
export async function* untilFailure(results: AsyncGenerator<ImageResult>): AsyncGenerator<ImageResult> {
  for await (const result of results) {
    yield result;
    if (!result.ok) return;
  }
}

/**
 * Writes every result as soon as it is there. Whatever ends the run, what is written is whole.
 *
 * @throws ClosedPipe, OutputError or Interruption
 */
export async function writeResults(
  results: AsyncGenerator<ImageResult>,
  writer: ResultWriter,
  output: ResultOutput,
  progress: Progress,
  io: Pick<Io, 'interruption'>,
): Promise<Counts> {
  const counts = { ok: 0, failed: 0 };
  const rows = async () => {
    let next = await unlessInterrupted(results.next(), io); // if the model cannot run, nothing is written
    await output.head(await writer.begin());
    try {
      for (; !next.done; next = await unlessInterrupted(results.next(), io)) {
        counts[next.value.ok ? 'ok' : 'failed']++;
        progress.makeRoom();
        await output.row(writer.row(next.value), next.value.ok ? undefined : next.value.error.code);
        progress.step();
      }
    } finally {
      void results.return(undefined).catch(() => {}); // ends what is ahead; it may be blocked, so nobody waits
      progress.end();
    }
  };
  const tail = async () => {
    const kept = await output.tail(writer.end());
    counts.ok += kept.ok;
    counts.failed += kept.failed;
  };
  await firstError([rows, tail, () => output.close()]);
  return counts;
}

/** Takes all steps, also after one that failed. @throws what failed first; what follows from it hides the cause */
async function firstError(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
