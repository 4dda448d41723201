import { stat } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { createClassifier } from '../classifier.ts';
import { type Clip, loadModel } from '../clip.ts';
import { UsageError } from '../errors.ts';
import { PROVIDERS, type ProviderChoice } from '../model/provider.ts';
import { DTYPES, type Dtype } from '../model/ready-made.ts';
import { defaultModel } from '../model/store.ts';
import { createWriter, FORMATS, type Format, formatOfFile } from '../output/format.ts';
import { readLabelsFile, splitLabels } from '../text/labels.ts';
import { countImages, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted, wantsColor } from './io.ts';
import { say } from './messages.ts';
import { anyNumber, collect, collectOne, deviceNumber, positiveNumber, topCount, wholeNumber } from './options.ts';
import { createProgress } from './progress.ts';
import { openStream, type ResultOutput, refuseToOverwrite, writeResults } from './results.ts';
import { ResumableOutput, type RunSettings } from './resumable-output.ts';

interface ClassifyOptions {
  readonly labels?: readonly string[];
  readonly labelsFile?: readonly string[];
  readonly template?: readonly string[];
  readonly top: number;
  readonly model?: string;
  readonly format?: Format;
  readonly output?: string;
  readonly resume?: true;
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
  new Command('classify')
    .description('rank labels for each image (the default command)')
    .argument('[images...]', 'files, folders and quoted globs')
    .option('-l, --labels <list>', 'what the images might show, comma separated; repeatable', collect(splitLabels))
    .option('--labels-file <file>', 'more labels, one a line; repeatable', collectOne)
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> in it, or a template set; repeatable (default: photo)',
      collectOne,
    )
    .option('-k, --top <n>', 'labels to show per image, or "all"', topCount, 5)
    .option('-m, --model <name|folder>', 'model (default: $CLIP_CLASSIFY_MODEL, else that of models use)')
    .addOption(
      new Option('-f, --format <format>', 'output format (default: table on a terminal, else jsonl)').choices(FORMATS),
    )
    .option('-o, --output <file>', 'write to a file; unless --format is given, its extension says the format')
    .option('--resume', 'go on with the output of an earlier run; rows of images that have not changed are kept')
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
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say how many files were passed over, and the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));

async function classify(args: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const { quiet = false, verbose = false } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const format = chooseFormat(options, io);
  const files = await Promise.all((options.labelsFile ?? []).map(readLabelsFile));
  const labels = (options.labels ?? []).concat(...files);
  if (options.output !== undefined) await refuseToOverwrite(options.output, [...args, ...(options.labelsFile ?? [])]);

  let passedOver = 0;
  const walk = {
    onPassedOver: () => passedOver++,
    onNothing: (arg: string) => args.length > 1 && warn(`no image in ${arg}`),
  };
  const { first, all: images } = await peek(imagePaths(args, walk), 2);
  if (first.length === 0) throw noImage(args);

  const clip = await loadModel(options.model ?? defaultModel(io.env), {
    env: io.env,
    provider: options.provider,
    device: options.device,
    dtype: options.dtype,
    batch: options.batch,
    isolate: first.length > 1,
    once: first.length === 1,
    timeout: options.timeout,
    signal: io.interruption,
    ...(options.logitScale !== undefined && { logitScale: options.logitScale }),
    ...(options.logitBias !== undefined && { logitBias: options.logitBias }),
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const { templates, classify } = await unlessInterrupted(
      createClassifier(clip, labels, { templates: options.template ?? ['photo'], onWarning: warn }),
      io,
    );
    const onTerminal = options.output === undefined && io.stdout.isTTY === true;
    const canvas = {
      columns: (onTerminal && io.stdout.columns) || 80,
      color: onTerminal && wantsColor(io.stdout, io.env),
    };
    const run = { model: clip.name, provider: () => clip.provider(), dtype: clip.dtype, templates };
    const progress = createProgress(io.stderr, quiet, options.batch, onTerminal);
    if (progress.wantsTotal) void countImages(args).then(progress.total, () => {});
    const output = await openOutput(options, { format, labels, templates, ...(await modelSettings(clip)) }, io);
    const counts = await writeResults(
      classify(output instanceof ResumableOutput ? output.remaining(images) : images, options),
      await createWriter(format, run, canvas),
      output,
      progress,
      io,
    );
    if (verbose && passedOver > 0)
      say(io, 'note', `${passedOver} files passed over: no images by their names, or links or devices`);
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    await clip.release();
  }
}

function chooseFormat({ format, output }: ClassifyOptions, io: Io): Format {
  if (format !== undefined) return format;
  if (output === undefined) return io.stdout.isTTY === true ? 'table' : 'jsonl';
  const byExtension = formatOfFile(output);
  if (byExtension !== undefined) return byExtension;
  throw new UsageError(
    `the extension of ${output} says no format`,
    `call it .jsonl, .json, .csv or .tsv, or say --format ${FORMATS.join('|')}`,
  );
}

/** What the rows depend on, of the model. */
async function modelSettings({ name, weightFile, dtype, logitScale, logitBias }: Clip): Promise<RunSettings> {
  const { size, mtimeNs } = await stat(weightFile, { bigint: true });
  return { model: { name, weightFile, size: `${size}`, mtime: `${mtimeNs}`, dtype, logitScale, logitBias } };
}

/** Where the rows go: a file of lines can be resumed, anything else cannot. */
async function openOutput(
  { output, resume, top, exif, maxPixels }: ClassifyOptions,
  settings: RunSettings & { readonly format: Format },
  io: Io,
): Promise<ResultOutput> {
  if (output === undefined && resume) throw new UsageError('--resume needs --output', 'name the file to go on with');
  const lines = ['jsonl', 'csv', 'tsv'].includes(settings.format);
  if (resume && !lines) {
    throw new UsageError(`${settings.format} cannot be resumed`, 'write jsonl, csv or tsv');
  }
  const info = output === undefined ? undefined : await stat(output).catch(() => undefined);
  if (output === undefined || !lines || (info !== undefined && !info.isFile())) return openStream(output, io);
  const all = { ...settings, top, exif, maxPixels };
  return resume ? ResumableOutput.resume(output, all) : ResumableOutput.create(output, all);
}

function noImage(args: readonly string[]): UsageError {
  const fact = args.length === 0 ? 'no images' : `no image in ${args.join(', ')}`;
  return new UsageError(fact, 'name images, folders of jpg, png, webp, gif, tiff or avif files, or quoted globs');
}
