import type { VisionTransformer } from '../checkpoint/architecture.ts';
import { attention, block, layerNorm, linear, mlp, type Split } from './blocks.ts';
import { patchEmbedding } from './convolution.ts';
import type { GraphBuilder, Value } from './graph.ts';

const MODEL = 'vision_model';
export const HEAD = `${MODEL}.head`;

/**
 * SigLIP's image graph: `pixels [B, 3, S, S] → output [B, D]`. No class token: one learned query attends to all
 * patches, and a residual MLP follows (Zhai et al. 2023; the head of Zhai et al. 2022).
 */
export function siglipImageGraph(g: GraphBuilder, image: VisionTransformer, pixels: Value, output: Value): void {
  const { width } = image;
  const { x, split } = siglipTokens(g, image, pixels);
  const batch = g.node('Shape', [pixels], { start: { int: 0 }, end: { int: 1 } });
  const queryShape = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const query = g.reshape(g.node('Expand', [g.weight(`${HEAD}.probe`), queryShape]), ['batch', width]);
  const pooled = attention(g, `${HEAD}.attention`, query, x, image, { split, causal: false }, { count: 1 }); // [B, width]
  siglipHead(g, image, pooled, output);
}

/** The patches of each image, `[B·T, width]`, before the pooling, and the shape that splits the rows. */
export function siglipTokens(
  g: GraphBuilder,
  image: VisionTransformer,
  pixels: Value,
): { readonly x: Value; readonly split: Split } {
  const { width, tokens } = image;
  let x = patchEmbedding(g, `${MODEL}.embeddings.patch_embedding`, pixels, image);
  x = g.node('Add', [x, g.weight(`${MODEL}.embeddings.position_embedding.weight`)]); // [B, T, width]
  x = g.reshape(x, ['rows', width]); // [B·T, width]
  const split = { shape: ['batch', tokens, width] };
  for (let n = 0; n < image.layers; n++)
    x = block(g, `${MODEL}.encoder.layers.${n}`, x, image, { split, causal: false });
  return { x: layerNorm(g, `${MODEL}.post_layernorm`, x, image), split };
}

/** The pooled vector of the query, `[N, width]`, then the residual MLP: `output [N, D]`. Without a projection, D is the width. */
export function siglipHead(g: GraphBuilder, image: VisionTransformer, pooled: Value, output: Value): void {
  const hidden = mlp(g, `${HEAD}.mlp`, layerNorm(g, `${HEAD}.layernorm`, pooled, image), image);
  if (!g.checkpoint.has('visual_projection.weight')) g.node('Add', [pooled, hidden], {}, output);
  else linear(g, 'visual_projection', g.node('Add', [pooled, hidden]), 'symmetric', output);
}
