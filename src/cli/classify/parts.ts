import { join } from 'node:path';
import type { ImageResult } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import type { ImageSource } from '../../image/source.ts';
import { isLearned } from '../../learn/learned.ts';
import { runOn, warner } from '../image-run.ts';
import type { Io } from '../io.ts';
import { chooseShape } from '../options/output-options.ts';
import { givenParts } from '../parts/options.ts';
import { writeParts } from '../parts/run.ts';
import type { Work } from './engine.ts';
import { type ClassifyOptions, runInfo, runSettings, withNotes } from './settings.ts';
import { partSink } from './sink.ts';

/** The formats for programs. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  parquet: 'parquet',
  jsonl: 'jsonl',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
};

/** Classifies part by part; writes the files into a folder. @returns the exit code */
export async function classifyParts(
  args: readonly string[],
  { classes, open }: Work,
  folder: string,
  options: ClassifyOptions,
  io: Io,
): Promise<number> {
  const warn = warner(options, io);
  const { verbose = false, quiet = false } = options;
  const shape = chooseShape(options, isLearned(classes) ? classes.labels : classes, io);
  const extension = 'format' in shape ? EXTENSIONS[shape.format] : undefined;
  if (extension === undefined)
    throw new UsageError('--output-dir writes files for programs', 'use --format parquet, jsonl, json, csv or tsv');
  const given = await givenParts(args, options, io, warn);
  try {
    return await runOn(
      () => open(given.amount),
      given,
      options,
      false,
      io,
      async (engine, progress) => {
        const ranking = await engine.begin();
        const { templates } = ranking;
        const settings = { ...shape, ...(await runSettings(engine, classes, templates, options, io)) };
        const info = { ...runInfo(engine, templates, true), pages: options.page !== undefined && options.page !== 1 };
        const outputOf = ({ name }: { readonly name: string }) => {
          const file = join(folder, `${name}.${extension}`);
          return { first: file, files: () => [file], sink: () => partSink(shape, file, info, settings, options, io) };
        };
        const results = (images: AsyncIterable<ImageSource>): AsyncIterable<ImageResult> =>
          withNotes(ranking.rank(images), verbose, io);
        return writeParts(given.parts, { settings, outputOf, results }, [folder], { progress, io, quiet, warn });
      },
    );
  } finally {
    given.stop();
  }
}
