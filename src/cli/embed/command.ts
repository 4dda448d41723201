import { Command, Option } from 'commander';
import type { Clip } from '../../clip.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { LabelsError } from '../../errors.ts';
import type { EmbeddingRun } from '../../output/embeddings.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { rowOf } from '../../tensor.ts';
import { splitLabels } from '../../text/labels.ts';
import { readTextsFile } from '../../text/labels-file.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { type ImageRunOptions, runOnModel, warner, writeResults } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { type InputOptions, refuseImages, withInputOptions } from '../options/input-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { decodeOptions, withModelOptions } from '../options/model-options.ts';
import { collect, collectOne, outputFile } from '../options/values.ts';
import { EMBEDDING_FORMATS, type EmbeddingFormat, embeddingFormat, embeddingSink, filesWritten } from './output.ts';

interface EmbedOptions extends InputOptions, ImageRunOptions {
  readonly texts?: readonly string[];
  readonly textsFile?: readonly string[];
  readonly format?: EmbeddingFormat;
  readonly output?: string;
}

const EXAMPLES = `
Examples:
  $ clip-classify embed holiday/ -o holiday.npy
  $ clip-classify --from holiday.npy --labels beach,mountain    # as often as you like
  $ clip-classify embed --texts "a beach,a mountain at dawn" > texts.jsonl`;

export const embedCommand = (io: Io, onExit: (code: number) => void) => {
  const command = withInputOptions(
    new Command('embed').description('write the unit-length embeddings of images or texts'),
  )
    .option(
      '--texts <list>',
      'embed these texts instead of images, separated by commas; repeatable',
      collect(splitLabels),
    )
    .option('--texts-file <file>', 'embed the texts of a file instead of images, one per line; repeatable', collectOne)
    .optionsGroup('Output:')
    .addOption(
      new Option(
        '-f, --format <format>',
        'output format (default: from the extension of --output, else jsonl)',
      ).choices(EMBEDDING_FORMATS),
    )
    .option(
      '-o, --output <file>',
      'write to a file; next to a .npy file, a .npy.jsonl file names its rows',
      outputFile,
    );
  return withMessageOptions(withCacheOptions(withModelOptions(command)), io)
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: EmbedOptions) => onExit(await embed(images, options, io)));
};

async function embed(args: readonly string[], options: EmbedOptions, io: Io): Promise<number> {
  const format = embeddingFormat(options.format, options.output);
  const texts = await givenTexts(options);
  if (texts !== undefined) {
    refuseImages(args, options, 'texts');
    const encode = (clip: Clip) => encodeTexts(clip, texts, warner(options, io));
    return write({ kind: 'text', encode, amount: 'one', read: [] }, format, options, io);
  }
  const given = await givenImages(args, options, io, warner(options, io));
  try {
    const encode = (clip: Clip) => clip.encodeImages(given.images, decodeOptions(options));
    return await write({ ...given, kind: 'image', encode, read: given.args }, format, options, io);
  } finally {
    given.stop();
  }
}

/** What is embedded. */
interface Work extends Pick<GivenImages, 'amount'>, Partial<Pick<GivenImages, 'count' | 'leftOut'>> {
  readonly kind: EmbeddingRun['kind'];
  readonly encode: (clip: Clip) => AsyncIterable<Embedded>;
  /** Files that the output must not be. */
  readonly read: readonly string[];
}

async function write(work: Work, format: EmbeddingFormat, options: EmbedOptions, io: Io): Promise<number> {
  const { output, textsFile = [], filesFrom } = options;
  const lists = [...textsFile, ...(filesFrom === undefined ? [] : [filesFrom])];
  const files = output === undefined ? [] : filesWritten(format, output);
  for (const file of files) {
    await refuseToOverwrite(file, [...work.read, ...lists]);
    await refusePicture(file);
  }
  const onTerminal = output === undefined && io.stdout.isTTY === true;
  return runOnModel(work, options, onTerminal, io, async (clip, progress) => {
    const digest = await unlessInterrupted(clip.digest(), io);
    const sink = embeddingSink(format, output, { kind: work.kind, model: clip.name, digest, dtype: clip.dtype }, io);
    return writeResults(work.encode(clip), sink, { progress, io });
  });
}

/** @throws LabelsError if there is an empty one */
async function givenTexts({ texts, textsFile = [] }: EmbedOptions): Promise<string[] | undefined> {
  if (texts === undefined && textsFile.length === 0) return undefined;
  const files = await Promise.all(textsFile.map(readTextsFile));
  const all = (texts ?? []).concat(...files).map((text) => text.trim());
  const empty = all.indexOf('');
  if (empty < 0) return all;
  throw new LabelsError(`text ${empty + 1} of ${all.length} is empty`, 'remove the extra comma or quotes');
}

async function* encodeTexts(
  clip: Clip,
  texts: readonly string[],
  warn: (message: string) => unknown,
): AsyncGenerator<Embedded> {
  const { rows, truncated } = await clip.encodeLabels(texts.map((text) => [text]));
  for (const n of truncated)
    warn(`the text "${texts[n]}" has more than ${clip.tokens.context} tokens and is truncated`);
  for (const [n, text] of texts.entries()) yield { ok: true, image: text, embedding: rowOf(rows, n) };
}
