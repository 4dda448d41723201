import { join } from 'node:path';
import { createClassifier, type ImageResult } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import { isLearned, type Learned } from '../../learn/learned.ts';
import type { Label } from '../../text/labels.ts';
import { runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { classifierOptions } from '../options/label-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import { chooseShape } from '../options/output-options.ts';
import { givenParts } from '../parts/options.ts';
import { writeParts } from '../parts/run.ts';
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
  classes: readonly Label[] | Learned,
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
    return await runOnModel(given, options, false, io, async (clip, progress) => {
      const classifier = await unlessInterrupted(
        createClassifier(clip, classes, { ...classifierOptions(options), onWarning: warn }),
        io,
      );
      const { templates } = classifier;
      const settings = { ...shape, ...(await runSettings(clip, classes, templates, options, io)) };
      const info = { ...runInfo(clip, templates, true), pages: options.page !== undefined && options.page !== 1 };
      const outputOf = ({ name }: { readonly name: string }) => {
        const file = join(folder, `${name}.${extension}`);
        return { first: file, files: () => [file], sink: () => partSink(shape, file, info, settings, options, io) };
      };
      const results = (images: Parameters<typeof clip.encodeImages>[0]): AsyncIterable<ImageResult> =>
        withNotes(classifier.rank(clip.encodeImages(images, decodeOptions(options)), options), verbose, io);
      return writeParts(given.parts, { settings, outputOf, results }, [folder], { progress, io, quiet, warn });
    });
  } finally {
    given.stop();
  }
}
