import { stat } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { createClassifier } from '../classifier.ts';
import { type Clip, loadModel } from '../clip.ts';
import { namesBeside, storedEmbeddings } from '../embed/stored.ts';
import { UsageError } from '../errors.ts';
import type { Path } from '../inputs/path.ts';
import { PROVIDERS, type ProviderChoice } from '../model/provider.ts';
import { DTYPES, type Dtype } from '../model/ready-made.ts';
import { defaultModel } from '../model/store.ts';
import { checkLabels } from '../text/labels.ts';
import { type CacheOptions, cacheSettings, withCacheOptions } from './cache-options.ts';
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
import { anyNumber, deviceNumber, positiveNumber, wholeNumber } from './options.ts';
import {
  chooseShape,
  isOnTerminal,
  type OutputOptions,
  openOutput,
  withOutputOptions,
  writerFor,
} from './output-options.ts';
import { createProgress } from './progress.ts';
import { openStream, refuseToOverwrite, untilFailure, writeResults } from './results.ts';
import { ResumableOutput, type RunSettings } from './resumable-output.ts';

interface ClassifyOptions extends InputOptions, LabelOptions, ScoreOptions, OutputOptions, CacheOptions {
  readonly from?: string;
  readonly model?: string;
  readonly batch: number;
  readonly timeout: number;
  readonly threads?: number;
  readonly provider: ProviderChoice;
  readonly device: number;
  readonly dtype: Dtype;
  readonly logitScale?: number;
  readonly logitBias?: number;
  readonly maxPixels: number;
  readonly exif: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) =>
  withCacheOptions(
    withOutputOptions(
      withScoreOptions(
        withLabelOptions(
          withInputOptions(
            new Command('classify').description('rank labels for each image (the default command)'),
          ).option('--from <file>', 'the embeddings that embed wrote, .npy or .jsonl, instead of images'),
        ),
      ),
    ),
  )
    .optionsGroup('Model and images:')
    .option('-m, --model <name|folder>', 'model (default: $CLIP_CLASSIFY_MODEL, else that of models use)')
    .option('--batch <n>', 'images per inference', wholeNumber(1024), 8)
    .option('--timeout <s>', 'seconds after which an image that makes no progress is given up', wholeNumber(86_400), 10)
    .option('--threads <n>', 'threads per inference (default: all cores)', wholeNumber(1024))
    .addOption(
      new Option('--provider <name>', 'what to run on; auto is the best that really runs')
        .choices(PROVIDERS)
        .default('auto'),
    )
    .option('--device <n>', 'which of several GPUs', deviceNumber, 0)
    .addOption(
      new Option('--dtype <type>', 'which precision of ready-made graphs to take').choices(DTYPES).default('fp32'),
    )
    .option('--logit-scale <n>', 'for ready-made graphs that do not hold it', positiveNumber)
    .option('--logit-bias <n>', 'the same for the bias of a SigLIP', anyNumber)
    .option('--max-pixels <n>', 'refuse larger images before decoding them', wholeNumber(2 ** 31), 100_000_000)
    .option('--no-exif', 'do not turn images upright by their EXIF orientation')
    .optionsGroup('Messages:')
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say how many files were passed over, and the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));

async function classify(given: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const args = await exactPaths(given);
  const { quiet = false, verbose = false, from } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  if (from !== undefined) refuseBeside(from, args, options);
  const labelsGiven = await givenLabels(options);
  if (options.output !== undefined)
    await refuseToOverwrite(options.output, [
      ...args,
      ...(options.labelsFile ?? []),
      ...(options.filesFrom === undefined ? [] : [options.filesFrom]),
      ...(from === undefined ? [] : [from, namesBeside(from)]),
    ]);

  let passedOver = 0;
  const enough = new AbortController();
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => passedOver++ }, enough.signal);
  // A list may come slowly: its first image is not kept waiting for the second.
  const listed = options.filesFrom !== undefined;
  const { first, all: images } = await unlessInterrupted(
    peek(from === undefined ? imagePaths(args, inputs) : none(), listed ? 1 : 2),
    io,
  );
  const labels = checkLabels(labelsGiven);
  const shape = chooseShape(options, labels, io);

  const clip = await loadModel(options.model ?? defaultModel(io.env), {
    ...cacheSettings(options, io),
    env: io.env,
    provider: options.provider,
    device: options.device,
    dtype: options.dtype,
    batch: options.batch,
    isolate: listed || first.length > 1,
    offline: options.offline ?? false,
    timeout: options.timeout,
    signal: io.interruption,
    ...(options.logitScale !== undefined && { logitScale: options.logitScale }),
    ...(options.logitBias !== undefined && { logitBias: options.logitBias }),
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const classifier = await unlessInterrupted(
      createClassifier(clip, labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const { templates } = classifier;
    const provider = async () => (from === undefined ? clip.provider() : options.provider);
    const run = { model: clip.name, provider, dtype: clip.dtype, templates };
    const progress = createProgress(io.stderr, quiet, options.batch, isOnTerminal(options, io) || 'match' in shape);
    if (progress.wantsTotal && from === undefined) void countImages(args, inputs).then(progress.total, () => {});
    const settings = { labels, ...rowOptions(options), templates, ...(await modelSettings(clip)) };
    const stored = from && classifier.rank(storedEmbeddings(from, await unlessInterrupted(clip.digest(), io)), options);
    const output = await (stored ? openStream(options.output, io) : openOutput(shape, settings, options, io));
    const results =
      stored || classifier.classify(output instanceof ResumableOutput ? output.remaining(images) : images, options);
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

/** @throws UsageError if there are images too, or an output to go on with */
function refuseBeside(from: string, args: readonly Path[], { filesFrom, resume }: ClassifyOptions): void {
  const [other = filesFrom] = args;
  if (other !== undefined) throw new UsageError(`both images (${other}) and --from ${from} are given`, 'leave one out');
  if (resume) throw new UsageError('--from cannot be resumed', 'it takes seconds: do it again');
}

async function* none(): AsyncGenerator<never> {}

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
