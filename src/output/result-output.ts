import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { OutputError, UsageError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { Sink } from './sink.ts';

/** How many images got labels, how many an error row. */
export interface Counts {
  readonly ok: number;
  readonly failed: number;
}

/** An output that does not continue an earlier run has no rows of it. */
export const NONE_KEPT: Counts = { ok: 0, failed: 0 };

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
  if (same === undefined && !(await stat(dirname(output)).catch(() => undefined)))
    throw new OutputError(
      `cannot write ${output}: the folder ${dirname(output)} does not exist`,
      'create the folder first',
    );
  if (same === undefined || !same.isFile()) return;
  for (const input of inputs) {
    const info = await stat(input, { bigint: true }).catch(() => undefined);
    if (info?.dev === same.dev && info.ino === same.ino) {
      throw new UsageError(`${option} ${output} would overwrite the input ${input}`, 'use another file');
    }
  }
}

/** Standard output, or a file of a format that cannot be resumed; opened at once, so that a wrong path is told before the work. */
export async function openStream(file: string | undefined, stdout: Writable): Promise<ResultOutput> {
  const sink = file === undefined ? new Sink(stdout, 'standard output') : await openSink(file);
  return {
    remaining: (images) => images,
    head: (text) => sink.write(text),
    row: (text) => sink.write(text),
    tail: (text) => sink.write(text).then(() => NONE_KEPT),
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
