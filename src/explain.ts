import type { Clip } from './clip.ts';
import { usableCores } from './disk/machine.ts';
import { ImageError, UsageError } from './errors.ts';
import { decode } from './image/decode.ts';
import { completeDecode, type DecodeOptions } from './image/decode-options.ts';
import { type ImageInput, sourceOfInput } from './image/given.ts';
import { drawHeatMap } from './image/heat-map.ts';
import { drawOverlay } from './image/overlay.ts';
import { fitImage, normalize, shortSideWanted } from './image/preprocess.ts';
import { type ImageIdentity, identityOf, readSource } from './image/source.ts';
import { openSession } from './model/session.ts';
import {
  ACTIVATION,
  hasActivation,
  LABEL_EMBEDS,
  PATCH_EMBEDS,
  PATCH_PIXELS,
  patchFeatureGraph,
} from './onnx/patch-features.ts';
import { cosines, l2Normalize, type Matrix, type UnitRows } from './tensor.ts';
import { checkLabels, type Label } from './text/labels.ts';
import { expandTemplates, promptsOf } from './text/prompts.ts';

export interface ExplainOptions extends Partial<DecodeOptions> {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** Threads of the inference. @default all cores that this process may use */
  readonly threads?: number;
}

/** What the numbers of a heat map are. */
export type MapMeasure = 'class activation' | 'cosine';

/** Where the model sees a label in an image. A bad image is a result, not an exception. */
export type Explanation =
  | (ImageIdentity & {
      readonly ok: true;
      readonly label: string;
      /** Number of patches on each side of the square that the model sees. */
      readonly grid: number;
      /** The cosine of each patch with the label: grid² values, row after row, each in [-1, 1]. */
      readonly cosines: Float32Array;
      /** How much each patch speaks for the label, grid², row after row. Comparable within this map alone. */
      readonly map: Float32Array;
      readonly measure: MapMeasure;
      /** The heat map over the picture, as a PNG. */
      overlay(): Promise<Uint8Array>;
      /** The photograph, the map over it, the label, its score and the scale of the colours, as a PNG. */
      picture(caption?: { readonly score?: number }): Promise<Uint8Array>;
    })
  | (ImageIdentity & { readonly ok: false; readonly error: ImageError });

const MEASURES: Readonly<Record<MapMeasure, string>> = {
  'class activation': 'how much each patch activates classes like the label',
  cosine: 'the cosine of each patch with the label',
};

/**
 * How much each patch of an image speaks for a label. A patch's feature is what the image's embedding would be if the pooling
 * looked at this patch alone ({@link patchFeatureGraph}); the map is its cosine with the label. A trunk with a classifier of its own
 * has a class activation map instead. Both were chosen by the pointing game (docs/explain.md). Runs on the CPU in fp32, whatever
 * the model runs on.
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
    const { features, activation } = await patchFeatures(contents, pixels, rows, threads);
    const values = cosines(features, rows).data;
    const map = activation ?? values;
    const measure = activation === undefined ? 'cosine' : 'class activation';
    const gridMap = { grid, patch, values: map };
    return {
      ok: true,
      ...identity,
      label: checked.label,
      grid,
      cosines: values,
      map,
      measure,
      overlay: () => drawOverlay(image, preprocessing, gridMap),
      picture: ({ score } = {}) =>
        drawHeatMap(image, preprocessing, gridMap, {
          label: checked.label,
          measure: MEASURES[measure],
          ...(score !== undefined && { score }),
        }),
    };
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

/**
 * @param pixels [3, S, S]
 * @param label [1, D]
 * @returns the features [grid², D], and the activation map [grid²] if the model has one
 */
async function patchFeatures(
  { checkpoint, architecture }: Source,
  pixels: Float32Array,
  label: UnitRows,
  threads: number,
): Promise<{ readonly features: UnitRows; readonly activation: Float32Array | undefined }> {
  const bytes = patchFeatureGraph(checkpoint, architecture);
  const graph = { bytes, weights: { folder: checkpoint.folder } };
  const session = await openSession(graph, { threads, provider: 'cpu', device: 0, once: true });
  try {
    const side = architecture.image.imageSize;
    const image = { type: 'float32', data: pixels, shape: [1, 3, side, side] } as const;
    if (!hasActivation(architecture)) {
      const [features] = await session.run({ [PATCH_PIXELS]: image }, [PATCH_EMBEDS]);
      return { features: l2Normalize(features as Matrix), activation: undefined };
    }
    const text = { type: 'float32', data: label.data, shape: [1, label.columns] } as const;
    const feeds = { [PATCH_PIXELS]: image, [LABEL_EMBEDS]: text };
    const [features, activation] = await session.run(feeds, [PATCH_EMBEDS, ACTIVATION]);
    return { features: l2Normalize(features as Matrix), activation: (activation as Matrix).data };
  } finally {
    await session.release();
  }
}
