import { Command } from 'commander';
import { namesBeside, storedEmbeddings } from '../../cache/stored.ts';
import { createClassifier } from '../../classifier.ts';
import type { Clip } from '../../clip.ts';
import { packageVersion } from '../../disk/package-version.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import { ClosedPipe } from '../../output/sink.ts';
import { checkLabels, type Label } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { type InputOptions, refuseImages, withInputOptions } from '../options/input-options.ts';
import {
  classifierOptions,
  givenLabels,
  type LabelOptions,
  type ScoreOptions,
  withLabelOptions,
  withScoreOptions,
} from '../options/label-options.ts';
import { decodeOptions, type ModelOptions, openModel, withModelOptions } from '../options/model-options.ts';
import {
  chooseShape,
  isOnTerminal,
  type OutputOptions,
  openOutput,
  withOutputOptions,
  writerFor,
} from '../options/output-options.ts';
import { createProgress } from '../progress.ts';
import { untilFailure, writeResults } from '../results.ts';
import { type ExplainOptions, planExplanation, withExplainOptions } from './explain.ts';

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
    .option('--verbose', 'also say what ran, how many files were passed over, and the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));
};

async function classify(args: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const { quiet = false, from } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const labelsGiven = await givenLabels(options);
  if (from !== undefined) refuseImages(args, options, `--from ${from}`);
  const given = from === undefined ? await givenImages(args, options, io, warn) : undefined;
  try {
    return await rank(given, labelsGiven, options, io, warn);
  } finally {
    given?.stop();
  }
}

/** @param given absent where embeddings are ranked */
async function rank(
  given: GivenImages | undefined,
  labelsGiven: readonly (string | Label)[],
  options: ClassifyOptions,
  io: Io,
  warn: (message: string) => unknown,
): Promise<number> {
  const { quiet = false, verbose = false, from } = options;
  const read = [...(given?.args ?? []), ...filesRead(options)];
  if (options.output !== undefined) {
    await refuseToOverwrite(options.output, read);
    await refusePicture(options.output);
  }
  const labels = checkLabels(labelsGiven);
  const shape = chooseShape(options, labels, io);

  const clip = await openModel(options, given?.amount ?? 'one', io);
  try {
    const explanation = await planExplanation({ clip, labels, images: given?.images, read }, options, io);
    const classifier = await unlessInterrupted(
      createClassifier(clip, labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const { templates } = classifier;
    const machine = from === undefined ? clip : { provider: async () => null, dtype: null }; // nothing runs on images
    const run = { model: clip.name, provider: () => machine.provider(), dtype: machine.dtype, templates };
    const progress = createProgress(io.stderr, quiet, options.batch, isOnTerminal(options, io) || 'match' in shape);
    if (progress.wantsTotal) void given?.count().then(progress.total, () => {});
    const settings = { labels, ...rowOptions(options), templates, ...(await modelSettings(clip, options)) };
    const output = await openOutput(shape, settings, options, io, warn);
    const embedded =
      given === undefined
        ? storedEmbeddings(String(from), await unlessInterrupted(clip.digest(), io))
        : clip.encodeImages(output.remaining(explanation?.images ?? given.images), decodeOptions(options));
    const results = classifier.rank(embedded, options);
    const counts = await writeResults(
      options.failFast ? untilFailure(results) : results,
      await writerFor(shape, run, options, io),
      output,
      progress,
      io,
    ).catch(async (error) => {
      if (error instanceof ClosedPipe) await explanation?.draw(); // the picture was asked for beside the rows
      throw error;
    });
    if (counts.failed === 0) await explanation?.draw();
    if (verbose && given && counts.ok > 0) say(io, 'note', `${clip.name} ran on ${await clip.provider()}`);
    if (verbose && given && given.passedOver() > 0)
      say(io, 'note', `${given.passedOver()} files passed over: no images by their names, or links or devices`);
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    await clip.release();
  }
}

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
  return { version: await packageVersion(), model: { name, digest: await digest(), dtype, logitScale, logitBias } };
}
