import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Clip } from '../../clip.ts';
import { writeWhole } from '../../disk/cache-files.ts';
import { LabelsError, UsageError } from '../../errors.ts';
import type { Explanation } from '../../explain.ts';
import type { ImageSource } from '../../image/source.ts';
import { networkSettings } from '../../network/settings.ts';
import { once } from '../../once.ts';
import { refuseToOverwrite } from '../../output/result-output.ts';
import { cannotWrite, throwCannotWrite } from '../../output/sink.ts';
import type { Label } from '../../text/labels.ts';
import { foldLabel } from '../../text/same-label.ts';
import { peek } from '../inputs.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { classifierOptions, type LabelOptions } from '../options/label-options.ts';
import { decodeOptions, type ModelOptions } from '../options/model-options.ts';

/** Where the picture goes that shows what the model sees where. */
export interface ExplainOptions {
  readonly explain?: string;
  readonly explainLabel?: string;
}

/** What else the run reads and writes. */
export interface Run {
  readonly clip: Clip;
  readonly labels: readonly Label[];
  /** Undefined where embeddings are ranked. */
  readonly images: AsyncGenerator<ImageSource> | undefined;
  /** Files that the picture must not be. */
  readonly read: readonly string[];
}

/** A picture that is to be drawn. */
export interface ExplanationPlan {
  /** The one image; it can be read twice. */
  readonly images: AsyncIterable<ImageSource>;
  /** Draws the picture and puts it in its place when it is whole. @throws ClipError */
  draw(): Promise<void>;
}

type AllOptions = ExplainOptions & ModelOptions & LabelOptions & { readonly output?: string; readonly quiet?: boolean };

/** The options of {@link ExplainOptions}. */
export function withExplainOptions(command: Command): Command {
  return command
    .option(
      '--explain <file.png>',
      'also write a heat map: the similarity of each image patch to a label (one image only)',
    )
    .option('--explain-label <label>', 'label of the heat map of --explain (default: the first label)');
}

/**
 * Checks what can be checked before the work.
 *
 * @returns undefined where no picture is wanted
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
    draw: async () => {
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
      const picture = await explanation.overlay();
      await writeWhole(file, (temporary) => writeFile(temporary, picture)).catch(throwCannotWrite(file));
      if (!quiet) say(io, 'note', noteOf(file, explanation));
    },
  };
}

/** The images, so that each can be read twice: what comes through standard input or the network is kept. */
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

function noteOf(file: string, { label, grid, cosines }: Explanation & { ok: true }): string {
  const [least, greatest] = [Math.min(...cosines), Math.max(...cosines)].map((cosine) => cosine.toFixed(3));
  return `${file}: "${label}" in ${grid} × ${grid} patches, cosines from ${least} (violet) to ${greatest} (yellow)`;
}

/** A wrong path is told before the work. @throws OutputError */
async function requireWritable(file: string): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (info !== undefined && !info.isFile()) throw cannotWrite(file, new Error('it exists and is not a regular file'));
  await access(dirname(file), constants.W_OK).catch(throwCannotWrite(file));
}

function isCalled({ label }: Label, name: string): boolean {
  return foldLabel(label) === foldLabel(name);
}
