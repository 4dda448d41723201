import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ImageResult } from '../classifier.ts';
import { UsageError } from '../errors.ts';
import type { ResultWriter } from '../output/writer.ts';
import { type Io, Sink } from './io.ts';
import type { Progress } from './progress.ts';

/** How many images got labels, how many an error row. */
export interface Counts {
  readonly ok: number;
  readonly failed: number;
}

/** Opening an output empties it: what is read must not be it. */
export async function refuseToOverwrite(output: string, inputs: readonly string[]): Promise<void> {
  const same = await stat(output, { bigint: true }).catch(() => undefined);
  if (same === undefined || !same.isFile()) return;
  for (const input of inputs) {
    const info = await stat(input, { bigint: true }).catch(() => undefined);
    if (info?.dev === same.dev && info.ino === same.ino) {
      throw new UsageError(`--output ${output} would overwrite ${input}, which is read`, 'name another file');
    }
  }
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
    progress.makeRoom();
    await sink.write(writer.row(result));
    progress.step();
  }
  progress.end();
  await sink.write(writer.end());
  await sink.close();
  return counts;
}
