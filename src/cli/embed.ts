import { Command, Option } from 'commander';
import { type Clip, loadModel } from '../clip.ts';
import type { Embedded } from '../embed/encoder.ts';
import { LabelsError, UsageError } from '../errors.ts';
import { PROVIDERS, type ProviderChoice } from '../model/provider.ts';
import { DTYPES, type Dtype } from '../model/ready-made.ts';
import { defaultModel } from '../model/store.ts';
import { rowOf } from '../tensor.ts';
import { splitLabels } from '../text/labels.ts';
import { readTexts } from '../text/labels-file.ts';
import { type CacheOptions, cacheSettings, withCacheOptions } from './cache-options.ts';
import {
  EMBEDDING_FORMATS,
  type EmbeddingFormat,
  embeddingFormat,
  openEmbeddings,
  writeEmbeddings,
} from './embed/output.ts';
import { type InputOptions, imageOptions, withInputOptions } from './input-options.ts';
import { countImages, exactPaths, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted } from './io.ts';
import { say } from './messages.ts';
import { collect, collectOne, deviceNumber, wholeNumber } from './options.ts';
import { createProgress } from './progress.ts';
import { refuseToOverwrite } from './results.ts';

interface EmbedOptions extends InputOptions, CacheOptions {
  readonly texts?: readonly string[];
  readonly textsFile?: readonly string[];
  readonly format?: EmbeddingFormat;
  readonly output?: string;
  readonly model?: string;
  readonly batch: number;
  readonly timeout: number;
  readonly threads?: number;
  readonly provider: ProviderChoice;
  readonly device: number;
  readonly dtype: Dtype;
  readonly maxPixels: number;
  readonly exif: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  $ clip-classify embed holiday/ -o holiday.npy
  $ clip-classify --from holiday.npy --labels beach,mountain    # as often as you like
  $ clip-classify embed --texts "a beach,a mountain at dawn" > texts.jsonl`;

export const embedCommand = (io: Io, onExit: (code: number) => void) =>
  withCacheOptions(withInputOptions(new Command('embed')))
    .description('the embeddings of images or texts, each of length 1')
    .option('--texts <list>', 'texts instead of images, comma separated; repeatable', collect(splitLabels))
    .option('--texts-file <file>', 'more texts, one a line; repeatable', collectOne)
    .addOption(
      new Option('-f, --format <format>', 'output format (default: that of the file, else jsonl)').choices(
        EMBEDDING_FORMATS,
      ),
    )
    .option('-o, --output <file>', 'write to a file; beside a .npy file another says what its rows are')
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
    .option('--max-pixels <n>', 'refuse larger images before decoding them', wholeNumber(2 ** 31), 100_000_000)
    .option('--no-exif', 'do not turn images upright by their EXIF orientation')
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: EmbedOptions) => onExit(await embed(images, options, io)));

async function embed(given: readonly string[], options: EmbedOptions, io: Io): Promise<number> {
  const args = await exactPaths(given);
  const { output, quiet = false, textsFile = [], filesFrom } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const format = embeddingFormat(options.format, output);
  const texts = await givenTexts(options);
  if (texts !== undefined && (args[0] ?? filesFrom) !== undefined)
    throw new UsageError(`both images (${args[0] ?? filesFrom}) and texts are given`, 'embed them one after the other');
  const read = [...args, ...textsFile, ...(filesFrom === undefined ? [] : [filesFrom])];
  if (output !== undefined) await refuseToOverwrite(output, read);
  const enough = new AbortController();
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => {} }, enough.signal);
  const { first, all: images } =
    texts === undefined
      ? await unlessInterrupted(peek(imagePaths(args, inputs), filesFrom === undefined ? 2 : 1), io)
      : { first: [], all: undefined };

  const clip = await loadModel(options.model ?? defaultModel(io.env), {
    ...cacheSettings(options, io),
    env: io.env,
    provider: options.provider,
    device: options.device,
    dtype: options.dtype,
    batch: options.batch,
    isolate: filesFrom !== undefined || first.length > 1,
    offline: options.offline ?? false,
    timeout: options.timeout,
    signal: io.interruption,
    ...(options.threads && { threads: options.threads }),
  });
  try {
    const kind = texts === undefined ? 'image' : 'text';
    const digest = await unlessInterrupted(clip.digest(), io);
    const run = { kind, model: clip.name, digest, dtype: clip.dtype } as const;
    const progress = createProgress(io.stderr, quiet, options.batch, output === undefined && io.stdout.isTTY === true);
    if (progress.wantsTotal && texts === undefined) void countImages(args, inputs).then(progress.total, () => {});
    const embeddings = images ? clip.encodeImages(images, options) : encodeTexts(clip, texts ?? [], warn);
    const counts = await writeEmbeddings(
      embeddings[Symbol.asyncIterator](),
      () => openEmbeddings(format, output, run, io),
      progress,
      io,
    );
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    enough.abort();
    await clip.release();
  }
}

/** @throws LabelsError if there is an empty one */
async function givenTexts({ texts, textsFile = [] }: EmbedOptions): Promise<string[] | undefined> {
  if (texts === undefined && textsFile.length === 0) return undefined;
  const files = await Promise.all(textsFile.map(readTexts));
  const all = (texts ?? []).concat(...files).map((text) => text.trim());
  const empty = all.indexOf('');
  if (empty < 0) return all;
  throw new LabelsError(`text ${empty + 1} of ${all.length} is empty`, 'remove the spare comma or quotes');
}

async function* encodeTexts(
  clip: Clip,
  texts: readonly string[],
  warn: (message: string) => unknown,
): AsyncGenerator<Embedded> {
  const { rows, truncated } = await clip.encodeLabels(texts.map((text) => [text]));
  for (const n of truncated)
    warn(`the text "${texts[n]}" is over ${clip.tokens.context} tokens long: its end is cut off`);
  for (const [n, text] of texts.entries()) yield { ok: true, image: text, embedding: rowOf(rows, n) };
}
