import type { Clip } from './clip.ts';
import { usableCores } from './disk/machine.ts';
import { ImageError, UsageError } from './errors.ts';
import { decode } from './image/decode.ts';
import { completeDecode, type DecodeOptions } from './image/decode-options.ts';
import { type ImageInput, sourceOfInput } from './image/given.ts';
import { drawOverlay } from './image/overlay.ts';
import { fitImage, normalize, shortSideWanted } from './image/preprocess.ts';
import { type ImageIdentity, identityOf, readSource } from './image/source.ts';
import { openSession } from './model/session.ts';
import { PATCH_EMBEDS, PATCH_PIXELS, patchFeatureGraph } from './onnx/patch-features.ts';
import { cosines, l2Normalize, type Matrix, type UnitRows } from './tensor.ts';
import { checkLabels, type Label } from './text/labels.ts';
import { expandTemplates, promptsOf } from './text/prompts.ts';

export interface ExplainOptions extends Partial<DecodeOptions> {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** Threads of the inference. @default all cores that this process may use */
  readonly threads?: number;
}

/** Where the model sees a label in an image. A bad image is a result, not an exception. */
export type Explanation =
  | (ImageIdentity & {
      readonly ok: true;
      readonly label: string;
      /** Number of patches on each side of the square that the model sees. */
      readonly grid: number;
      /** The cosine of each patch with the label: grid² values, row after row, each in [-1, 1]. */
      readonly cosines: Float32Array;
      /** The heat map over the picture, as a PNG. */
      overlay(): Promise<Uint8Array>;
    })
  | (ImageIdentity & { readonly ok: false; readonly error: ImageError });

/**
 * The cosine of each patch of an image with a label. The feature of a patch is the embedding that the image would have if the
 * pooling used this patch only ({@link patchFeatureGraph}). docs/explain.md says when that misleads. It always runs on the CPU
 * in fp32.
 *
 * @throws UsageError if the model consists of ONNX files, because their inner values cannot be read
 * @throws LabelsError if the label or a template cannot be used; ModelError if the graph cannot be opened or run
 */
export async function explainImage(
  clip: Clip,
  input: ImageInput,
  label: string | Label,
  options: ExplainOptions = {},
): Promise<Explanation> {
  const contents = requireCheckpoint(clip);
  const { templates = ['photo'], threads = usableCores(), ...decoding } = options;
  const [checked] = checkLabels([label]) as [Label];
  const { rows } = await clip.encodeLabels([promptsOf(checked, expandTemplates(templates))]);
  const source = sourceOfInput(input, 'image');
  const identity = identityOf(source);
  const { preprocessing } = clip;
  try {
    const bytes = await readSource(source);
    const image = await decode(bytes, source.name, completeDecode(decoding), shortSideWanted(preprocessing));
    const pixels = normalize(fitImage(image, preprocessing), preprocessing);
    const { grid, patch } = contents.architecture.image;
    const values = cosines(await patchFeatures(contents, pixels, threads), rows).data;
    const overlay = () => drawOverlay(image, preprocessing, { grid, patch, values });
    return { ok: true, ...identity, label: checked.label, grid, cosines: values, overlay };
  } catch (error) {
    if (error instanceof ImageError) return { ok: false, ...identity, error };
    throw error;
  }
}

/** The checkpoint that a graph for patches is written from. */
type Source = Extract<Clip['contents'], { kind: 'checkpoint' }>;

/** @throws UsageError if the model consists of ONNX files */
export function requireCheckpoint({ name, contents }: Pick<Clip, 'name' | 'contents'>): Source {
  if (contents.kind === 'checkpoint') return contents;
  throw new UsageError(
    `a heat map needs a checkpoint, but ${name} is an ONNX model`,
    'use the same model as safetensors',
  );
}

/** @param pixels [3, S, S]; @returns [grid², D] */
async function patchFeatures(
  { checkpoint, architecture }: Source,
  pixels: Float32Array,
  threads: number,
): Promise<UnitRows> {
  const graph = { bytes: patchFeatureGraph(checkpoint, architecture), weights: { folder: checkpoint.folder } };
  const session = await openSession(graph, { threads, provider: 'cpu', device: 0, once: true });
  try {
    const side = architecture.image.imageSize;
    const feed = { type: 'float32', data: pixels, shape: [1, 3, side, side] } as const;
    const [features] = await session.run({ [PATCH_PIXELS]: feed }, [PATCH_EMBEDS]);
    return l2Normalize(features as Matrix);
  } finally {
    await session.release();
  }
}
