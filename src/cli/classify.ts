import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { createClassifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { checkLabels } from '../text/labels.ts';
import { type InputOptions, imageOptions, withInputOptions } from './input-options.ts';
import { countImages, exactPaths, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted } from './io.ts';
import {
  classifierOptions,
  givenLabels,
  type LabelOptions,
  type ScoreOptions,
  withLabelOptions,
  withScoreOptions,
} from './label-options.ts';
import { say } from './messages.ts';
import { type ModelOptions, openModel, withModelOptions } from './model-options.ts';
import {
  chooseShape,
  isOnTerminal,
  type OutputOptions,
  openOutput,
  withOutputOptions,
  writerFor,
} from './output-options.ts';
import { createProgress } from './progress.ts';
import { refuseToOverwrite, untilFailure, writeResults } from './results.ts';
import { ResumableOutput, type RunSettings } from './resumable-output.ts';

interface ClassifyOptions extends InputOptions, LabelOptions, ScoreOptions, OutputOptions, ModelOptions {
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) =>
  withModelOptions(
    withOutputOptions(
      withScoreOptions(
        withLabelOptions(
          withInputOptions(new Command('classify').description('rank labels for each image (the default command)')),
        ),
      ),
    ),
  )
    .optionsGroup('Messages:')
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say how many files were passed over, and the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));

async function classify(given: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const args = await exactPaths(given);
  const { quiet = false, verbose = false } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const labelsGiven = await givenLabels(options);
  if (options.output !== undefined)
    await refuseToOverwrite(options.output, [
      ...args,
      ...(options.labelsFile ?? []),
      ...(options.filesFrom === undefined ? [] : [options.filesFrom]),
    ]);

  let passedOver = 0;
  const enough = new AbortController();
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => passedOver++ }, enough.signal);
  // A list may come slowly: its first image is not kept waiting for the second.
  const listed = options.filesFrom !== undefined;
  const { first, all: images } = await unlessInterrupted(peek(imagePaths(args, inputs), listed ? 1 : 2), io);
  const labels = checkLabels(labelsGiven);
  const shape = chooseShape(options, labels, io);

  const clip = await openModel(options, listed || first.length > 1, io);
  try {
    const { templates, classify } = await unlessInterrupted(
      createClassifier(clip, labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const run = { model: clip.name, provider: () => clip.provider(), dtype: clip.dtype, templates };
    const progress = createProgress(io.stderr, quiet, options.batch, isOnTerminal(options, io) || 'match' in shape);
    if (progress.wantsTotal) void countImages(args, inputs).then(progress.total, () => {});
    const settings = { labels, ...rowOptions(options), templates, ...(await modelSettings(clip)) };
    const output = await openOutput(shape, settings, options, io);
    const results = classify(output instanceof ResumableOutput ? output.remaining(images) : images, options);
    const counts = await writeResults(
      options.failFast ? untilFailure(results) : results,
      writerFor(shape, run, options, io),
      output,
      progress,
      io,
    );
    if (verbose && passedOver > 0)
      say(io, 'note', `${passedOver} files passed over: no images by their names, or links or devices`);
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    enough.abort();
    await clip.release();
  }
}

/** What the rows depend on, of the options. */
function rowOptions(options: ClassifyOptions): RunSettings {
  const { top, exif, maxPixels, shard = null } = options;
  return { ...classifierOptions(options), top, exif, maxPixels, shard };
}

/** What the rows depend on, of the model. */
async function modelSettings({ name, weightFile, dtype, logitScale, logitBias }: Clip): Promise<RunSettings> {
  const { size, mtimeNs } = await stat(weightFile, { bigint: true });
  return { model: { name, weightFile, size: `${size}`, mtime: `${mtimeNs}`, dtype, logitScale, logitBias } };
}
