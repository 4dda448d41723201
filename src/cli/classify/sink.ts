import type { ImageResult } from '../../classifier.ts';
import type { ImageSource } from '../../image/source.ts';
import { openOutputFile } from '../../output/open-output.ts';
import { type ResultSink, rowSink } from '../../output/result-sink.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import type { RunInfo } from '../../output/writer.ts';
import { warner } from '../image-run.ts';
import type { Io } from '../io.ts';
import {
  isText,
  openOutput,
  requireResumable,
  type Shape,
  type TextShape,
  writerFor,
} from '../options/output-options.ts';
import type { ClassifyOptions } from './settings.ts';

/** The output of results, and the images that still need a result. */
export interface OpenSink {
  readonly sink: ResultSink<ImageResult>;
  readonly remaining: (images: AsyncIterable<ImageSource>) => AsyncIterable<ImageSource>;
}

/** Opens the output that the options name. */
export async function openSink(
  shape: Shape,
  run: RunInfo,
  settings: RunSettings,
  options: ClassifyOptions,
  io: Io,
): Promise<OpenSink> {
  if (!isText(shape)) {
    requireResumable(shape, options);
    return { sink: await parquetSink(String(options.output), run, settings, options), remaining: (images) => images };
  }
  const output = await openOutput(shape, settings, options, io, warner(options, io));
  const writer = await writerFor(shape, run, options, io);
  return { sink: rowSink(writer, output), remaining: (images) => output.remaining(images) };
}

/** The file of a part. It is written whole or not at all. */
export async function partSink(
  shape: Shape,
  file: string,
  run: RunInfo,
  settings: RunSettings,
  options: ClassifyOptions,
  io: Io,
): Promise<ResultSink<ImageResult>> {
  if (!isText(shape)) return parquetSink(file, run, settings, options);
  const writer = await writerFor(shape satisfies TextShape, run, { ...options, output: file }, io);
  return rowSink(writer, await openOutputFile(file, 'whole'));
}

/** The Parquet library is loaded only here. */
async function parquetSink(
  file: string,
  { model, dtype }: RunInfo,
  { version, model: described }: RunSettings,
  { carry }: ClassifyOptions,
): Promise<ResultSink<ImageResult>> {
  const [{ ParquetSink }, { resultTable }] = await Promise.all([
    import('../../output/parquet/sink.ts'),
    import('../../output/parquet/tables.ts'),
  ]);
  const { digest } = Object(described) as { digest?: unknown };
  const run = {
    version: String(version),
    model,
    dtype,
    ...(typeof digest === 'string' && { digest }),
    ...(carry && { carry }),
  };
  return new ParquetSink(file, resultTable(run));
}
