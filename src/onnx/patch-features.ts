import type { Architecture, ImageGrid, VisionTransformer } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { attentionTo, block, layerNorm, residualMlp, scaled } from './blocks.ts';
import { clipProjection, clipTokens } from './clip.ts';
import { convNextHead, convNextMap } from './convnext.ts';
import { efficientNetActivation, efficientNetHead, efficientNetMap } from './efficientnet.ts';
import { GraphBuilder, type Value } from './graph.ts';
import { resNetCells, resNetMap } from './resnet.ts';
import { HEAD, siglipHead, siglipTokens } from './siglip.ts';

export const PATCH_PIXELS = 'pixel_values';
export const PATCH_EMBEDS = 'patch_embeds';
export const LABEL_EMBEDS = 'label_embeds';
export const ACTIVATION = 'activation';

/** Whether the graph of a model has an activation map too. */
export function hasActivation({ image }: Architecture): boolean {
  return image.kind === 'efficientnet-lite';
}

/**
 * The features of an image's patches as an ONNX graph: `pixel_values [1, 3, S, S] → patch_embeds [grid², D]`, row after row of
 * the grid, not yet unit length. Each row is the embedding that the image would have if the pooling used this patch only, so it can be
 * compared with labels. With attention to one token, only the value of the token counts, as in MaskCLIP (Zhou et al. 2022).
 * docs/explain.md says when that misleads.
 *
 * A trunk with a classifier of its own also gives `label_embeds [1, D] → activation [grid², 1]` ({@link efficientNetActivation}).
 */
export function patchFeatureGraph(checkpoint: Checkpoint, architecture: Architecture): Uint8Array {
  const { image, embedding } = architecture;
  const g = new GraphBuilder('patch features', checkpoint);
  switch (image.kind) {
    case 'vit':
      FEATURES[image.pooling](g, image);
      break;
    case 'efficientnet-lite': {
      const features = cells(g, efficientNetMap(g, image, PATCH_PIXELS), image, image.features);
      efficientNetHead(g, features, PATCH_EMBEDS);
      efficientNetActivation(g, features, LABEL_EMBEDS, ACTIVATION);
      break;
    }
    case 'resnet':
      resNetCells(g, image, cells(g, resNetMap(g, image, PATCH_PIXELS), image, 32 * image.width), PATCH_EMBEDS);
      break;
    case 'convnext': {
      const map = convNextMap(g, image, PATCH_PIXELS); // the mean over a map of one cell is the cell
      convNextHead(g, image, g.reshape(map, [image.grid ** 2, image.widths.at(-1) ?? 0]), PATCH_EMBEDS);
    }
  }
  const isActive = hasActivation(architecture);
  return g.finish(
    [
      { name: PATCH_PIXELS, type: 'F32', shape: [1, 3, image.imageSize, image.imageSize] },
      ...(isActive ? [{ name: LABEL_EMBEDS, type: 'F32' as const, shape: [1, embedding] }] : []),
    ],
    [
      { name: PATCH_EMBEDS, type: 'F32', shape: [image.grid ** 2, embedding] },
      ...(isActive ? [{ name: ACTIVATION, type: 'F32' as const, shape: [image.grid ** 2, 1] }] : []),
    ],
  );
}

const FEATURES: Readonly<Record<VisionTransformer['pooling'], (g: GraphBuilder, image: VisionTransformer) => void>> = {
  class: classFeatures,
  mean: meanFeatures,
  'patch mean': meanFeatures,
  attention: attentionFeatures,
  queries: queryFeatures,
};

/** The class token of the last block, which attends to this patch only, not even to itself. */
function classFeatures(g: GraphBuilder, image: VisionTransformer): void {
  const layer = `vision_model.encoder.layers.${image.layers - 1}`;
  const { x } = clipTokens(g, image, PATCH_PIXELS);
  const patches = layerNorm(g, `${layer}.layer_norm1`, rows(g, x, 1, image.tokens), image);
  const attended = attentionTo(g, `${layer}.self_attn`, patches); // [grid², width]
  const sum = g.node('Add', [rows(g, x, 0, 1), scaled(g, `${layer}.ls_1`, attended)]);
  const pooled = residualMlp(g, layer, sum, image);
  clipProjection(g, image, pooled, PATCH_EMBEDS);
}

/** The mean of one token, which in the last block sees itself alone: that points at objects better (docs/explain.md). */
function meanFeatures(g: GraphBuilder, image: VisionTransformer): void {
  const layer = `vision_model.encoder.layers.${image.layers - 1}`;
  const { x } = clipTokens(g, image, PATCH_PIXELS);
  const patches = rows(g, x, 1, image.tokens);
  const attended = attentionTo(g, `${layer}.self_attn`, layerNorm(g, `${layer}.layer_norm1`, patches, image));
  const alone = residualMlp(g, layer, g.node('Add', [patches, attended]), image);
  const normed = image.normBeforePooling ? layerNorm(g, 'vision_model.post_layernorm', alone, image) : alone;
  clipProjection(g, image, normed, PATCH_EMBEDS);
}

/** CoCa's first query, which attends to this patch only. */
function queryFeatures(g: GraphBuilder, image: VisionTransformer): void {
  const { x, split } = clipTokens(g, image, PATCH_PIXELS);
  const last = block(g, `vision_model.encoder.layers.${image.layers - 1}`, x, image, { split, causal: false });
  const patches = layerNorm(g, `${HEAD}.ln_k`, rows(g, last, 1, image.tokens), image);
  clipProjection(g, image, attentionTo(g, `${HEAD}.attention`, patches), PATCH_EMBEDS);
}

/** SigLIP's learned query, which attends to this patch only. */
function attentionFeatures(g: GraphBuilder, image: VisionTransformer): void {
  const { x } = siglipTokens(g, image, PATCH_PIXELS);
  siglipHead(g, image, attentionTo(g, `${HEAD}.attention`, x), PATCH_EMBEDS);
}

/** The cells of the map, row after row: `[1, features, grid, grid] → [grid², features]` */
function cells(g: GraphBuilder, map: Value, { grid }: ImageGrid, features: number): Value {
  return g.node('Transpose', [g.reshape(map, [features, grid ** 2])], { perm: { ints: [1, 0] } });
}

/** Some of the tokens of the image. */
function rows(g: GraphBuilder, x: Value, start: number, end: number): Value {
  return g.node('Slice', [x, g.int64s(start), g.int64s(end)]);
}
