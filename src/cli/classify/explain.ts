import { access, constants, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import type { Clip } from '../../clip.ts';
import { cannotWrite, throwCannotWrite, writeWholeFile } from '../../disk/whole-file.ts';
import { LabelsError, UsageError } from '../../errors.ts';
import type { Explanation } from '../../explain.ts';
import type { ImageSource } from '../../image/source.ts';
import { networkSettings } from '../../network/settings.ts';
import { once } from '../../once.ts';
import { refuseToOverwrite } from '../../output/result-output.ts';
import type { Label } from '../../text/labels.ts';
import { foldLabel } from '../../text/same-label.ts';
import { peek } from '../inputs.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { classifierOptions, type LabelOptions } from '../options/label-options.ts';
import { decodeOptions, type ModelOptions } from '../options/model-options.ts';

/** The options for a heat map. */
export interface ExplainOptions {
  readonly explain?: string;
  readonly explainLabel?: string;
}

/** The other files that the run reads and writes. */
export interface Run {
  readonly clip: Clip;
  readonly labels: readonly Label[];
  /** Undefined if embeddings are ranked. */
  readonly images: AsyncGenerator<ImageSource> | undefined;
  /** Files that the heat map must not overwrite. */
  readonly read: readonly string[];
}

/** A heat map that will be drawn. */
export interface ExplanationPlan {
  /** The image, in a form that can be read twice. */
  readonly images: AsyncIterable<ImageSource>;
  /** Draws the heat map and writes its file, whole or not at all. @throws ClipError */
  draw(scoreOf: (label: string) => number | undefined): Promise<void>;
}

type AllOptions = ExplainOptions & ModelOptions & LabelOptions & { readonly output?: string; readonly quiet?: boolean };

/**
 * Checks the options before the work.
 *
 * @returns undefined if no heat map is wanted
 * @throws UsageError, LabelsError or OutputError
 */
export async function planExplanation(run: Run, options: AllOptions, io: Io): Promise<ExplanationPlan | undefined> {
  const { explain: file, explainLabel: name, output } = options;
  if (file === undefined) {
    if (name === undefined) return undefined;
    throw new UsageError('--explain-label needs --explain', 'add --explain <file.png>, or remove --explain-label');
  }
  if (run.images === undefined)
    throw new UsageError(
      '--explain does not work with --from, because it needs the image',
      'give the image instead of --from',
    );
  const { first, all } = await unlessInterrupted(peek(readableTwice(run.images, options, io), 2), io);
  const [image, another] = first;
  if (image === undefined || another !== undefined)
    throw new UsageError(`--explain needs exactly one image, not ${image ? 'several' : 'none'}`, 'give a single image');
  if (extname(file).toLowerCase() !== '.png')
    throw new UsageError(
      `--explain writes a PNG file, but ${file} has another extension`,
      'use a name that ends in .png',
    );
  const label = name === undefined ? run.labels[0] : run.labels.find((one) => isCalled(one, name));
  if (label === undefined)
    throw new LabelsError(
      `--explain-label "${name}" is not one of the labels`,
      'use a label from --labels or --labels-file',
    );
  const { explainImage, requireCheckpoint } = await import('../../explain.ts');
  requireCheckpoint(run.clip);
  await refuseToOverwrite(
    file,
    [...run.read, ...(image.kind === 'file' && typeof image.path === 'string' ? [image.path] : [])],
    '--explain',
  );
  if (output !== undefined && resolve(output) === resolve(file))
    throw new UsageError(`--explain and --output name the same file, ${file}`, 'use another file for one of them');
  await requireWritable(file);

  return {
    images: all,
    draw: async (scoreOf) => {
      const { templates } = classifierOptions(options);
      const decoding = decodeOptions(options);
      const { threads, quiet } = options;
      const explanation = await unlessInterrupted(
        explainImage(run.clip, image, label, {
          ...decoding,
          ...(templates && { templates }),
          ...(threads && { threads }),
        }),
        io,
      );
      if (!explanation.ok) throw explanation.error;
      const score = scoreOf(explanation.label);
      const picture = await explanation.picture(score === undefined ? {} : { score });
      await writeWholeFile(file, picture);
      if (!quiet) say(io, 'note', noteOf(file, explanation));
    },
  };
}

/** The images in a form that can be read twice: bytes from standard input or the network are kept in memory. */
async function* readableTwice(
  images: AsyncIterable<ImageSource>,
  { offline = false }: Pick<ModelOptions, 'offline'>,
  { env }: Pick<Io, 'env'>,
): AsyncGenerator<ImageSource> {
  const { imageFetcher } = await import('../../image/download.ts');
  const fetchImage = imageFetcher(() => networkSettings(env, offline));
  for await (const image of images) {
    const { name } = image;
    if (image.kind === 'url') yield { kind: 'stream', name, read: once(() => fetchImage(image.url)) };
    else if (image.kind === 'stream') yield { kind: 'stream', name, read: once(image.read) };
    else yield image;
  }
}

function noteOf(file: string, { label, grid, map, measure }: Explanation & { ok: true }): string {
  const [least, greatest] = [Math.min(...map), Math.max(...map)].map((value) => value.toFixed(3));
  return `${file}: "${label}" in ${grid} × ${grid} patches, ${measure} from ${least} (violet) to ${greatest} (yellow)`;
}

/** Reports a wrong path before the work. @throws OutputError */
async function requireWritable(file: string): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (info !== undefined && !info.isFile()) throw cannotWrite(file, new Error('it exists and is not a regular file'));
  await access(dirname(file), constants.W_OK).catch(throwCannotWrite(file));
}

function isCalled({ label }: Label, name: string): boolean {
  return foldLabel(label) === foldLabel(name);
}
