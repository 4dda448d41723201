import { Command, Option } from 'commander';
import type { Clip } from '../../clip.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { LabelsError, UsageError } from '../../errors.ts';
import { type EmbeddingRun, NUMBER_TYPES } from '../../output/embeddings.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { rowOf } from '../../tensor.ts';
import { splitLabels } from '../../text/labels.ts';
import { readTextsFile } from '../../text/labels-file.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { runOnModel, warner, withMaxErrors, writeResults } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { refuseImages, withInputOptions, withTarOptions } from '../options/input-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { decodeOptions, withModelOptions } from '../options/model-options.ts';
import { collect, collectOne, outputFile } from '../options/values.ts';
import { refuseOutputs, withPartsOptions } from '../parts/options.ts';
import { EMBEDDING_FORMATS, type EmbeddingFormat, embeddingFormat, embeddingSink, filesWritten } from './output.ts';
import { embedParts } from './parts.ts';
import { type EmbedOptions, embeddingRun } from './run.ts';

const EXAMPLES = `
Examples:
  $ clip-classify embed holiday/ -o holiday.npy
  $ clip-classify --from holiday.npy --labels beach,mountain    # as often as you like
  $ clip-classify embed --texts "a beach,a mountain at dawn" > texts.jsonl`;

export const embedCommand = (io: Io, onExit: (code: number) => void) => {
  const command = withTarOptions(
    withInputOptions(new Command('embed').description('write the unit-length embeddings of images or texts')),
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
    .option('-o, --output <file>', 'write to a file; next to a .npy file, a .npy.jsonl file names its rows', outputFile)
    .addOption(
      new Option('--embedding-type <type>', 'numbers of npy and parquet output (default: float32)').choices(
        NUMBER_TYPES,
      ),
    )
    .addOption(
      new Option(
        '--layout <layout>',
        'with --output-dir, write img_emb/*.npy (float16) and metadata/*.parquet, as embedding-reader and autofaiss read them',
      ).choices(['clip-retrieval']),
    );
  withPartsOptions(command);
  return withMessageOptions(withCacheOptions(withModelOptions(withMaxErrors(command))), io)
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: EmbedOptions) => onExit(await embed(images, options, io)));
};

async function embed(args: readonly string[], options: EmbedOptions, io: Io): Promise<number> {
  const { layout, outputDir, output, embeddingType } = options;
  const texts = await givenTexts(options);
  refuseOutputs(options, { '--output': output !== undefined, '--texts': texts !== undefined });
  if (layout !== undefined && outputDir === undefined)
    throw new UsageError('--layout needs --output-dir', 'add --output-dir <folder>');
  if (layout !== undefined && (options.format !== undefined || embeddingType === 'float32'))
    throw new UsageError(
      '--layout clip-retrieval writes npy of float16 and parquet',
      'remove --format and --embedding-type',
    );
  const format = outputDir === undefined ? embeddingFormat(options.format, output) : (options.format ?? 'parquet');
  if (embeddingType !== undefined && format === 'jsonl')
    throw new UsageError('--embedding-type is for npy and parquet, not for jsonl', 'remove it, or use another format');
  if (outputDir !== undefined) return embedParts(args, outputDir, options, io);
  if (texts !== undefined) {
    refuseImages(args, options, 'texts');
    const encode = (clip: Clip) => encodeTexts(clip, texts, warner(options, io));
    return write({ kind: 'text', encode, amount: 'one', read: [] }, format, options, io);
  }
  const given = await givenImages(args, options, io, warner(options, io), { readsTars: true });
  try {
    const encode = (clip: Clip) => clip.encodeImages(given.images, decodeOptions(options));
    return await write({ ...given, kind: 'image', encode, read: given.args }, format, options, io);
  } finally {
    given.stop();
  }
}

/** The images or texts to embed. */
interface Work extends Pick<GivenImages, 'amount'>, Partial<Pick<GivenImages, 'count' | 'leftOut'>> {
  readonly kind: EmbeddingRun['kind'];
  readonly encode: (clip: Clip) => AsyncIterable<Embedded>;
  /** Input files, which the output must not overwrite. */
  readonly read: readonly string[];
}

async function write(work: Work, format: EmbeddingFormat, options: EmbedOptions, io: Io): Promise<number> {
  const { output, textsFile = [], filesFrom, tar = [] } = options;
  const lists = [...textsFile, ...(filesFrom === undefined ? [] : [filesFrom]), ...tar];
  const files = output === undefined ? [] : filesWritten(format, output);
  for (const file of files) {
    await refuseToOverwrite(file, [...work.read, ...lists]);
    await refusePicture(file);
  }
  const onTerminal = output === undefined && io.stdout.isTTY === true;
  return runOnModel(work, options, onTerminal, io, async (clip, progress) => {
    const run = await unlessInterrupted(embeddingRun(clip, work.kind, options), io);
    const sink = await embeddingSink(format, output, run, options.embeddingType ?? 'float32', io);
    return writeResults(work.encode(clip), sink, { progress, io });
  });
}

/** @throws LabelsError if a text is empty */
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
