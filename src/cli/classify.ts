import { Command } from 'commander';
import { createClassifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { namesBeside, storedEmbeddings } from '../embed/stored.ts';
import { UsageError } from '../errors.ts';
import { checkLabels } from '../text/labels.ts';
import { withCacheOptions } from './cache-options.ts';
import { type ExplainOptions, planExplanation, readableTwice, withExplainOptions } from './explain.ts';
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
import { decodeOptions, type ModelOptions, openModel, withModelOptions } from './model-options.ts';
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

interface ClassifyOptions
  extends InputOptions,
    LabelOptions,
    ScoreOptions,
    OutputOptions,
    ExplainOptions,
    ModelOptions {
  readonly from?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('classify').description('rank labels for each image (the default command)');
  withInputOptions(command).option('--from <file>', 'rank the embeddings that embed wrote, .npy or .jsonl, not images');
  withExplainOptions(withOutputOptions(withScoreOptions(withLabelOptions(command))));
  return withCacheOptions(withModelOptions(command))
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say how many files were passed over, and the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));
};

async function classify(given: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const { quiet = false, verbose = false, from } = options;
  const args = await exactPaths(given);
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const labelsGiven = await givenLabels(options);
  const read = [...args, ...filesRead(options)];
  if (options.output !== undefined) await refuseToOverwrite(options.output, read);

  let passedOver = 0;
  const enough = new AbortController();
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => passedOver++ }, enough.signal);
  // A list may come slowly: its first image is not kept waiting for the second.
  const listed = options.filesFrom !== undefined;
  if (from !== undefined && (args.length > 0 || listed))
    throw new UsageError(`both images and --from ${from} are given`, 'leave one out');
  const paths = from === undefined ? imagePaths(args, inputs) : nothing();
  const sources = options.explain === undefined ? paths : readableTwice(paths, options, io);
  const several = !listed || options.explain !== undefined;
  const { first, all: images } = await unlessInterrupted(peek(sources, several ? 2 : 1), io);
  const labels = checkLabels(labelsGiven);
  const shape = chooseShape(options, labels, io);

  const clip = await openModel(options, listed || first.length > 1, io);
  try {
    const explain = await planExplanation({ clip, labels, images: first, read }, options, io);
    const classifier = await unlessInterrupted(
      createClassifier(clip, labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const { templates } = classifier;
    const provider = async () => (from === undefined ? clip.provider() : options.provider);
    const run = { model: clip.name, provider, dtype: clip.dtype, templates };
    const progress = createProgress(io.stderr, quiet, options.batch, isOnTerminal(options, io) || 'match' in shape);
    if (progress.wantsTotal && from === undefined) void countImages(args, inputs).then(progress.total, () => {});
    const settings = { labels, ...rowOptions(options), templates, ...(await modelSettings(clip, options)) };
    const output = await openOutput(shape, settings, options, io);
    const results =
      from === undefined
        ? classifier.classify(output instanceof ResumableOutput ? output.remaining(images) : images, {
            ...decodeOptions(options),
            top: options.top,
          })
        : classifier.rank(storedEmbeddings(from, await unlessInterrupted(clip.digest(), io)), options);
    const counts = await writeResults(
      options.failFast ? untilFailure(results) : results,
      await writerFor(shape, run, options, io),
      output,
      progress,
      io,
    );
    if (counts.failed === 0) await explain?.();
    if (verbose && passedOver > 0)
      say(io, 'note', `${passedOver} files passed over: no images by their names, or links or devices`);
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    enough.abort();
    await clip.release();
  }
}

async function* nothing(): AsyncGenerator<never> {}

/** Files that the output must not be. */
function filesRead({ labelsFile = [], filesFrom, from }: ClassifyOptions): string[] {
  return [
    ...labelsFile,
    ...(filesFrom === undefined ? [] : [filesFrom]),
    ...(from === undefined ? [] : [from, namesBeside(from)]),
  ];
}

/** What the rows depend on, of the options. */
function rowOptions(options: ClassifyOptions): RunSettings {
  const { top, shard = null } = options;
  return { ...classifierOptions(options), top, ...decodeOptions(options), shard };
}

/** What the rows depend on, of the model. */
async function modelSettings(
  { name, dtype, logitScale, logitBias, digest }: Clip,
  { output }: ClassifyOptions,
): Promise<RunSettings> {
  if (output === undefined) return {};
  return { model: { name, digest: await digest(), dtype, logitScale, logitBias } };
}
