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
import { givenImages } from './given-images.ts';
import { type InputOptions, withInputOptions } from './input-options.ts';
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

async function embed(args: readonly string[], options: EmbedOptions, io: Io): Promise<number> {
  const { output, quiet = false, textsFile = [], filesFrom } = options;
  const warn = (message: string) => quiet || say(io, 'warning', message);
  const format = embeddingFormat(options.format, output);
  const texts = await givenTexts(options);
  if (texts !== undefined && (args.length > 0 || filesFrom !== undefined))
    throw new UsageError('both images and texts are given', 'embed them one after the other');
  const given = texts === undefined ? await givenImages(args, options, io, warn) : undefined;
  if (output !== undefined) await refuseToOverwrite(output, [...(given?.args ?? []), ...textsFile]);

  const clip = await openModel(options, given?.amount ?? 'one', io);
  try {
    const kind = texts === undefined ? 'image' : 'text';
    const digest = await unlessInterrupted(clip.digest(), io);
    const run = { kind, model: clip.name, digest, dtype: clip.dtype } as const;
    const progress = createProgress(io.stderr, quiet, options.batch, output === undefined && io.stdout.isTTY === true);
    if (progress.wantsTotal) void given?.count().then(progress.total, () => {});
    const embeddings =
      given === undefined
        ? encodeTexts(clip, texts ?? [], warn)
        : clip.encodeImages(given.images, decodeOptions(options));
    const counts = await writeEmbeddings(
      embeddings[Symbol.asyncIterator](),
      () => openEmbeddings(format, output, run, io),
      progress,
      io,
    );
    if (!quiet && counts.ok + counts.failed > 1) say(io, 'note', `${counts.ok} ok, ${counts.failed} failed`);
    return counts.failed > 0 ? 1 : 0;
  } finally {
    given?.stop();
    await clip.release();
  }
}

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
