import { Command, Option } from 'commander';
import type { Clip } from '../clip.ts';
import type { Embedded } from '../embed/encoder.ts';
import { LabelsError, UsageError } from '../errors.ts';
import { rowOf } from '../tensor.ts';
import { splitLabels } from '../text/labels.ts';
import { readTextsFile } from '../text/labels-file.ts';
import { withCacheOptions } from './cache-options.ts';
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
import { decodeOptions, type ModelOptions, openModel, withModelOptions } from './model-options.ts';
import { collect, collectOne } from './options.ts';
import { createProgress } from './progress.ts';
import { refuseToOverwrite } from './results.ts';

interface EmbedOptions extends InputOptions, ModelOptions {
  readonly texts?: readonly string[];
  readonly textsFile?: readonly string[];
  readonly format?: EmbeddingFormat;
  readonly output?: string;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  $ clip-classify embed holiday/ -o holiday.npy
  $ clip-classify --from holiday.npy --labels beach,mountain    # as often as you like
  $ clip-classify embed --texts "a beach,a mountain at dawn" > texts.jsonl`;

export const embedCommand = (io: Io, onExit: (code: number) => void) => {
  const command = withInputOptions(
    new Command('embed').description('the embeddings of images or texts, each of length 1'),
  )
    .option('--texts <list>', 'texts instead of images, comma separated; repeatable', collect(splitLabels))
    .option('--texts-file <file>', 'more texts, one a line; repeatable', collectOne)
    .optionsGroup('Output:')
    .addOption(
      new Option('-f, --format <format>', 'output format (default: that of the file, else jsonl)').choices(
        EMBEDDING_FORMATS,
      ),
    )
    .option('-o, --output <file>', 'write to a file; beside a .npy file another says what its rows are');
  return withCacheOptions(withModelOptions(command))
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also say the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: EmbedOptions) => onExit(await embed(images, options, io)));
};

async function embed(given: readonly string[], options: EmbedOptions, io: Io): Promise<number> {
  const { output, quiet = false, textsFile = [], filesFrom } = options;
  const args = await exactPaths(given);
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const format = embeddingFormat(options.format, output);
  const texts = await givenTexts(options);
  if (texts !== undefined && (args.length > 0 || filesFrom !== undefined))
    throw new UsageError('both images and texts are given', 'embed them one after the other');
  if (output !== undefined)
    await refuseToOverwrite(output, [...args, ...textsFile, ...(filesFrom === undefined ? [] : [filesFrom])]);
  const enough = new AbortController();
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => {} }, enough.signal);
  const paths = texts === undefined ? imagePaths(args, inputs) : nothing();
  const listed = filesFrom !== undefined;
  const { first, all: images } = await unlessInterrupted(peek(paths, listed ? 1 : 2), io);

  const clip = await openModel(options, listed || first.length > 1, io);
  try {
    const kind = texts === undefined ? 'image' : 'text';
    const digest = await unlessInterrupted(clip.digest(), io);
    const run = { kind, model: clip.name, digest, dtype: clip.dtype } as const;
    const progress = createProgress(io.stderr, quiet, options.batch, output === undefined && io.stdout.isTTY === true);
    if (progress.wantsTotal && texts === undefined) void countImages(args, inputs).then(progress.total, () => {});
    const embeddings =
      texts === undefined ? clip.encodeImages(images, decodeOptions(options)) : encodeTexts(clip, texts, warn);
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

async function* nothing(): AsyncGenerator<never> {}

/** @throws LabelsError if there is an empty one */
async function givenTexts({ texts, textsFile = [] }: EmbedOptions): Promise<string[] | undefined> {
  if (texts === undefined && textsFile.length === 0) return undefined;
  const files = await Promise.all(textsFile.map(readTextsFile));
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
