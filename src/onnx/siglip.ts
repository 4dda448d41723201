import type { Architecture } from './architecture.ts';
import { attention, block, layerNorm, linear, mlp, oneTokenBlock, textEmbedding } from './blocks.ts';
import { GraphBuilder } from './graph.ts';
import { patchEmbedding } from './patches.ts';
import type { Checkpoint } from './safetensors.ts';

/**
 * SigLIP's image tower: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, not yet unit length. No class token: one learned
 * query, the probe, attends to all patches, and a residual MLP follows (Zhai et al. 2023; the head of Zhai et al. 2022).
 */
export function siglipImageGraph(checkpoint: Checkpoint, { image, embedding }: Architecture): Uint8Array {
  const g = new GraphBuilder('siglip image tower', checkpoint);
  const model = 'vision_model';
  const { width, tokens } = image;

  let x = patchEmbedding(g, `${model}.embeddings.patch_embedding`, 'pixel_values', image);
  x = g.node('Add', [x, g.weight(`${model}.embeddings.position_embedding.weight`)]); // [B, T, width]
  x = g.node('Reshape', [x, g.int64s(-1, width)]); // [B·T, width]
  const split = g.int64s(-1, tokens, width);
  for (let n = 0; n < image.layers; n++)
    x = block(g, `${model}.encoder.layers.${n}`, x, image, { split, causal: false });
  x = layerNorm(g, `${model}.post_layernorm`, x, image);

  const head = `${model}.head`;
  const batch = g.node('Shape', ['pixel_values'], { start: { int: 0 }, end: { int: 1 } });
  const probeShape = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const probe = g.node('Reshape', [g.node('Expand', [g.weight(`${head}.probe`), probeShape]), g.int64s(-1, width)]);
  const pooled = attention(g, `${head}.attention`, probe, x, image, { split, causal: false }, 1); // [B, width]
  const hidden = mlp(g, `${head}.mlp`, layerNorm(g, `${head}.layernorm`, pooled, image), image);
  g.node('Add', [pooled, hidden], {}, 'image_embeds');
  return g.finish(
    [{ name: 'pixel_values', type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] }],
    [{ name: 'image_embeds', type: 'F32', shape: ['batch', embedding] }],
  );
}

/**
 * SigLIP's text tower: `input_ids [B, T] → text_embeds [B, D]`, not yet unit length. Every token sees every other, the
 * padding too, and the last one is read: prompts must be padded to the context, as in training.
 */
export function siglipTextGraph(checkpoint: Checkpoint, { text, embedding }: Architecture): Uint8Array {
  const g = new GraphBuilder('siglip text tower', checkpoint);
  const model = 'text_model';
  let { x, split } = textEmbedding(g, `${model}.embeddings`, 'input_ids', text.width); // [B·T, width]
  const last = text.layers - 1;
  for (let n = 0; n < last; n++) x = block(g, `${model}.encoder.layers.${n}`, x, text, { split, causal: false });
  x = oneTokenBlock(g, `${model}.encoder.layers.${last}`, x, text, split, -1); // [B, width]
  x = layerNorm(g, `${model}.final_layer_norm`, x, text);
  linear(g, `${model}.head`, x, 'symmetric', 'text_embeds');
  return g.finish(
    [{ name: 'input_ids', type: 'I64', shape: ['batch', 'tokens'] }],
    [{ name: 'text_embeds', type: 'F32', shape: ['batch', embedding] }],
  );
}
