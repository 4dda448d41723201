import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ImageResult } from '../classifier.ts';
import { UsageError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import type { ResultWriter } from '../output/writer.ts';
import { type Io, Sink, unlessInterrupted } from './io.ts';
import type { Progress } from './progress.ts';

/** How many images got labels, how many an error row. */
export interface Counts {
  readonly ok: number;
  readonly failed: number;
}

/** Where rows go. */
export interface ResultOutput {
  /** The images that still need a row, of those that there are. */
  remaining(images: AsyncIterable<ImageSource>): AsyncIterable<ImageSource>;
  /** What comes before the first row. */
  head(text: string): Promise<void>;
  row(text: string | Uint8Array, ok: boolean): Promise<void>;
  /** What comes after the last row. @returns the rows that an earlier run had written */
  tail(text: string): Promise<Counts>;
  close(): Promise<void>;
}

/** Opening an output empties it: what is read must not be it. @param option by which the output is named */
export async function refuseToOverwrite(output: string, inputs: readonly string[], option = '--output'): Promise<void> {
  const same = await stat(output, { bigint: true }).catch(() => undefined);
  if (same === undefined || !same.isFile()) return;
  for (const input of inputs) {
    const info = await stat(input, { bigint: true }).catch(() => undefined);
    if (info?.dev === same.dev && info.ino === same.ino) {
      throw new UsageError(`${option} ${output} would overwrite ${input}, which is read`, 'name another file');
    }
  }
}

/** Standard output, or a file of a format that cannot be resumed; opened at once, so that a wrong path is told before the work. */
export async function openStream(file: string | undefined, io: Io): Promise<ResultOutput> {
  const sink = file === undefined ? new Sink(io.stdout, 'standard output') : await openSink(file);
  return {
    remaining: (images) => images,
    head: (text) => sink.write(text),
    row: (text) => sink.write(text),
    tail: (text) => sink.write(text).then(() => ({ ok: 0, failed: 0 })),
    close: () => sink.close(),
  };
}

async function openSink(file: string): Promise<Sink> {
  const stream = createWriteStream(file);
  const sink = new Sink(stream, file);
  await once(stream, 'open').catch((error: Error) => {
    throw sink.explain(error);
  });
  return sink;
}

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
  try {
    let next = await unlessInterrupted(results.next(), io); // where the model cannot run, nothing is written
    await output.head(await writer.begin());
    try {
      for (; !next.done; next = await unlessInterrupted(results.next(), io)) {
        counts[next.value.ok ? 'ok' : 'failed']++;
        progress.makeRoom();
        await output.row(writer.row(next.value), next.value.ok);
        progress.step();
      }
    } finally {
      void results.return(undefined).catch(() => {}); // ends what is ahead; it may be blocked, so nobody waits
      progress.end();
      const kept = await output.tail(writer.end());
      counts.ok += kept.ok;
      counts.failed += kept.failed;
    }
  } finally {
    await output.close();
  }
  return counts;
}
