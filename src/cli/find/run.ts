import type { Clip } from '../../clip.ts';
import { UsageError } from '../../errors.ts';
import { embedQuery, type Findings, findImages } from '../../find.ts';
import { networkSettings } from '../../network/settings.ts';
import { FINDING_FORMATS, type FindingFormat, formatFindings } from '../../output/findings.ts';
import { openOutputFile, writeOutput } from '../../output/open-output.ts';
import { refuseToOverwrite } from '../../output/result-output.ts';
import { standardOutput, streamOutput } from '../../output/stream-output.ts';
import type { UnitRows } from '../../tensor.ts';
import { givenImages } from '../given-images.ts';
import { type ImageRunOptions, runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted, wantsColor } from '../io.ts';
import type { InputOptions } from '../options/input-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import { withProgress } from '../progress.ts';

export interface FindOptions extends InputOptions, ImageRunOptions {
  readonly and?: readonly string[];
  readonly without?: readonly string[];
  readonly like?: readonly string[];
  readonly template?: readonly string[];
  readonly top: number;
  readonly threshold?: number;
  readonly format?: FindingFormat;
  readonly output?: string;
  readonly print0?: boolean;
  readonly html?: string;
}

/** @returns the exit code */
export async function runFind(
  text: string | undefined,
  args: readonly string[],
  options: FindOptions,
  io: Io,
): Promise<number> {
  const { and = [], without = [], like = [], template, top, threshold, output, html } = options;
  const texts = [...(text === undefined ? [] : [text]), ...and];
  if (texts.length + like.length === 0) throw new UsageError('there is nothing to search for', 'add a text or --like');
  const format = findingFormat(options, io);
  const given = await givenImages(args, options, io, warner(options, io));
  try {
    for (const [option, file] of Object.entries({ '--output': output, '--html': html }))
      if (file !== undefined) await refuseToOverwrite(file, [...given.args, ...like], option);
    return await runOnModel(given, keepsImages(options), output === undefined, io, async (clip, progress) => {
      const examples = await unlessInterrupted(embedExamples(clip, like, options), io);
      const query = await unlessInterrupted(
        embedQuery(clip, { texts, without, like: examples, ...(template && { templates: template }) }),
        io,
      );
      const embedded = withProgress(clip.encodeImages(given.images, decodeOptions(options)), progress);
      const wanted = { top, ...(threshold !== undefined && { threshold }) };
      const findings = await unlessInterrupted(findImages(query, embedded, wanted), io);
      const name = nameOfQuery(texts, without, like);
      if (html !== undefined) await writePage(html, name, findings, options, io);
      await writeFindings(format, findings, { model: clip.name, query: name }, options, io);
      return { ok: findings.compared, failed: findings.failed.length };
    });
  } finally {
    given.stop();
  }
}

/** Searches are often repeated with other texts, so image embeddings are cached unless --no-cache is given. */
function keepsImages(options: FindOptions): FindOptions {
  return { ...options, cacheImages: options.cache };
}

/** The pictures of --like, each [1, D]. @throws ImageError if one cannot be read */
async function embedExamples(clip: Clip, images: readonly string[], options: FindOptions): Promise<UnitRows[]> {
  const examples: UnitRows[] = [];
  for await (const one of clip.encodeImages(images, decodeOptions(options))) {
    if (!one.ok) throw new UsageError(`--like ${one.error.message}`, 'give another picture', one.error);
    examples.push(one.embedding);
  }
  return examples;
}

function nameOfQuery(texts: readonly string[], without: readonly string[], like: readonly string[]): string {
  const parts = [...texts, ...like.map((image) => `like ${image}`)].join(' + ');
  return [parts, ...without.map((text) => `without ${text}`)].join(', ');
}

/** @throws UsageError if options contradict each other */
function findingFormat({ format, output, print0 }: FindOptions, io: Io): FindingFormat {
  if (print0) {
    if (format !== undefined && format !== 'paths')
      throw new UsageError(`--print0 writes paths, not ${format}`, 'remove --format or --print0');
    return 'paths';
  }
  if (format !== undefined) return format;
  if (output === undefined) return io.stdout.isTTY === true ? 'table' : 'jsonl';
  const extension = /\.([a-z]+)$/iu.exec(output)?.[1]?.toLowerCase();
  const found = FINDING_FORMATS.find((one) => one === extension);
  if (found !== undefined) return found;
  throw new UsageError(
    `cannot tell the output format from the extension of ${output}`,
    'use .jsonl, .json, .csv or .tsv, or add --format',
  );
}

async function writeFindings(
  format: FindingFormat,
  findings: Findings,
  run: { readonly model: string; readonly query: string },
  { output, print0 = false }: FindOptions,
  io: Io,
): Promise<void> {
  const terminal = output === undefined && io.stdout.isTTY === true;
  const color = terminal && wantsColor(io.stdout, io.env);
  const sink = output === undefined ? streamOutput(standardOutput(io.stdout)) : await openOutputFile(output, 'whole');
  try {
    await sink.head('');
    await sink.row(formatFindings(format, findings, run, { color, terminal, print0 }));
    await sink.tail('');
  } finally {
    await sink.close();
  }
}

async function writePage(file: string, query: string, findings: Findings, options: FindOptions, io: Io): Promise<void> {
  const { galleryPage } = await import('../../output/report/gallery.ts');
  const { thumbnails } = await import('../../output/report/thumbnails.ts');
  const { imageFetcher } = await import('../../image/download.ts');
  const fetchImage = imageFetcher(() => networkSettings(io.env, options.offline));
  const pictures = await thumbnails(findings.found, decodeOptions(options), fetchImage);
  await writeOutput(file, galleryPage(query, findings, pictures));
}
