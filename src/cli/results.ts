import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { ImageResult } from '../classifier.ts';
import type { ResultWriter } from '../output/writer.ts';
import { type Io, Sink } from './io.ts';
import type { Progress } from './progress.ts';

/** How many images got labels, how many an error row. */
export interface Counts {
  readonly ok: number;
  readonly failed: number;
}

/** Standard output, or a file that is opened at once, so that a wrong path is told before the work. */
export async function openSink(file: string | undefined, io: Io): Promise<Sink> {
  if (file === undefined) return new Sink(io.stdout, 'standard output');
  const stream = createWriteStream(file);
  const sink = new Sink(stream, file);
  await once(stream, 'open').catch((error: Error) => {
    throw sink.explain(error);
  });
  return sink;
}

/** Writes every result as soon as it is there. */
export async function writeResults(
  results: AsyncIterable<ImageResult>,
  writer: ResultWriter,
  sink: Sink,
  progress: Progress,
): Promise<Counts> {
  const counts = { ok: 0, failed: 0 };
  await sink.write(writer.begin());
  for await (const result of results) {
    counts[result.ok ? 'ok' : 'failed']++;
    progress.clear();
    await sink.write(writer.row(result));
    progress.step();
  }
  progress.clear();
  await sink.write(writer.end());
  await sink.close();
  return counts;
}
