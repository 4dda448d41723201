import { Command } from 'commander';
import { namesBeside, storedEmbeddings } from '../../cache/stored.ts';
import { createClassifier, type ImageResult } from '../../classifier.ts';
import type { Clip } from '../../clip.ts';
import { packageVersion } from '../../disk/package-version.ts';
import { UsageError } from '../../errors.ts';
import { learnedDigest } from '../../learn/file.ts';
import { isLearned, type Learned } from '../../learn/learned.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { rowSink } from '../../output/result-sink.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import { ClosedPipe } from '../../output/sink.ts';
import type { RunInfo } from '../../output/writer.ts';
import { checkLabels, type Label } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { type ImageRunOptions, runOnModel, warner, writeResults } from '../image-run.ts';
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
import { givenLearned, learnedPath } from '../options/learned-option.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { decodeOptions, withModelOptions } from '../options/model-options.ts';
import {
  chooseShape,
  isOnTerminal,
  type OutputOptions,
  openOutput,
  withOutputOptions,
  writerFor,
} from '../options/output-options.ts';
import { type ExplainOptions, planExplanation, withExplainOptions } from './explain.ts';

interface ClassifyOptions
  extends InputOptions,
    LabelOptions,
    ScoreOptions,
    OutputOptions,
    ExplainOptions,
    ImageRunOptions {
  readonly from?: string;
}

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify photos/ --labels-file labels.txt --threshold 0.5 --format csv
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('classify').description('rank labels for each image (the default command)');
  withInputOptions(command).option(
    '--from <file>',
    'rank stored embeddings instead of images: a .npy or .jsonl file that embed wrote',
  );
  withExplainOptions(withOutputOptions(withScoreOptions(withLabelOptions(command))));
  return withMessageOptions(
    withCacheOptions(withModelOptions(command)),
    io,
    'the provider, the number of skipped files and ',
  )
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));
};

async function classify(args: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const { from } = options;
  const learned = await givenLearned(options);
  const labels = learned ?? checkLabels(await givenLabels(options));
  if (from !== undefined) {
    refuseImages(args, options, `--from ${from}`);
    return rank(undefined, labels, options, io);
  }
  const given = await givenImages(args, options, io, warner(options, io));
  try {
    return await rank(given, labels, options, io);
  } finally {
    given.stop();
  }
}

/** @param given absent where embeddings are ranked */
async function rank(
  given: GivenImages | undefined,
  classes: readonly Label[] | Learned,
  options: ClassifyOptions,
  io: Io,
): Promise<number> {
  const { failFast = false, resume, verbose = false } = options;
  const pages = options.page !== undefined && options.page !== 1;
  if (resume && options.page === 'all')
    throw new UsageError('--resume does not work with --page all', 'remove one of them');
  const read = [...(given?.args ?? []), ...filesRead(options)];
  if (options.output !== undefined) {
    await refuseToOverwrite(options.output, read);
    await refusePicture(options.output);
  }
  const labels = isLearned(classes) ? classes.labels : classes;
  const shape = chooseShape(options, labels, io);
  const onTerminal = isOnTerminal(options, io) || 'match' in shape;
  return runOnModel(given ?? { amount: 'one' }, options, onTerminal, io, async (clip, progress) => {
    const explanation = await planExplanation({ clip, labels, images: given?.images, read }, options, io);
    const classifier = await unlessInterrupted(
      createClassifier(clip, classes, { ...classifierOptions(options), onWarning: warner(options, io) }),
      io,
    );
    const { templates } = classifier;
    const settings = {
      labels,
      ...(isLearned(classes) && { learned: learnedDigest(classes) }),
      ...rowOptions(options),
      templates,
      ...(await modelSettings(clip, options)),
    };
    const output = await openOutput(shape, settings, options, io, warner(options, io));
    const embedded = given
      ? clip.encodeImages(output.remaining(explanation?.images ?? given.images), decodeOptions(options))
      : storedEmbeddings(String(options.from), await unlessInterrupted(clip.digest(), io));
    const writer = await writerFor(shape, { ...runInfo(clip, templates, given !== undefined), pages }, options, io);
    const counts = await writeResults(
      withNotes(classifier.rank(embedded, options), verbose, io),
      rowSink(writer, output),
      {
        progress,
        io,
        failFast,
      },
    ).catch(async (error) => {
      if (error instanceof ClosedPipe) await explanation?.draw(); // the reader of the rows has gone, the picture is a file
      throw error;
    });
    if (counts.failed === 0) await explanation?.draw();
    if (options.verbose && given && counts.ok > 0) say(io, 'note', `${clip.name} ran on ${await clip.provider()}`);
    return counts;
  });
}

/** With --verbose, what decoders noticed is told before the row of the image. */
async function* withNotes(results: AsyncIterable<ImageResult>, verbose: boolean, io: Io): AsyncGenerator<ImageResult> {
  for await (const result of results) {
    if (verbose) for (const note of result.notes ?? []) say(io, 'note', `${result.image}: ${note}`);
    yield result;
  }
}

/** What all rows have in common. Stored embeddings are ranked without a run of the image graph. */
function runInfo(clip: Clip, templates: readonly string[], runsOnImages: boolean): RunInfo {
  const provider = async () => (runsOnImages ? clip.provider() : null);
  return { model: clip.name, provider, dtype: runsOnImages ? clip.dtype : null, templates };
}

/** Files that the output must not be. */
function filesRead({ labels = [], labelsFile = [], filesFrom, from }: ClassifyOptions): string[] {
  const learned = learnedPath(labels);
  return [
    ...(learned === undefined ? [] : [learned]),
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
