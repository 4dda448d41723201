import type { Architecture, TextPooling, TextTransformer, VisionTransformer } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { block, layerNorm, linear, oneTokenBlock, readTokenBlock, type Split, textEmbedding } from './blocks.ts';
import { GraphBuilder, type Value } from './graph.ts';
import { patchEmbedding } from './patches.ts';

const MODEL = 'vision_model';

/**
 * CLIP's image tower as an ONNX graph: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, not yet unit length
 * (Radford et al. 2021, section 2.4; Dosovitskiy et al. 2021, eq. 1–4).
 *
 * Between the attention parts tokens are rows of one matrix, `[B·T, width]`, so that every product is a `Gemm`
 * on the checkpoint's own `[out, in]` matrix with its bias inside: the fastest form on the CPU provider.
 */
export function clipImageGraph(
  checkpoint: Checkpoint,
  image: VisionTransformer,
  { embedding }: Architecture,
): Uint8Array {
  const g = new GraphBuilder('clip image tower', checkpoint);
  clipImageTower(g, image, 'pixel_values', 'image_embeds');
  return g.finish(
    [{ name: 'pixel_values', type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] }],
    [{ name: 'image_embeds', type: 'F32', shape: ['batch', embedding] }],
  );
}

/** Adds the image tower to a graph: `pixels [B, 3, S, S] → output [B, D]` */
export function clipImageTower(g: GraphBuilder, image: VisionTransformer, pixels: Value, output: Value): void {
  const { x, split } = clipTokens(g, image, pixels);
  const last = `${MODEL}.encoder.layers.${image.layers - 1}`;
  const pooled =
    image.pooling === 'mean'
      ? g.node(
          'ReduceMean',
          [g.reshape(block(g, last, x, image, { split, causal: false }), split.shape), g.int64s(1)],
          { keepdims: { int: 0 } },
        )
      : oneTokenBlock(g, last, x, image, split, 0);
  clipProjection(g, image, pooled, output);
}

/** Pooled rows `[N, width]` → the space that images and texts share, `output [N, D]` */
export function clipProjection(g: GraphBuilder, image: VisionTransformer, pooled: Value, output: Value): void {
  linear(g, 'visual_projection', layerNorm(g, `${MODEL}.post_layernorm`, pooled, image), 'symmetric', output);
}

/** The class token and the patches of each image as the last block gets them, and the shape that parts the rows. */
export function clipTokens(
  g: GraphBuilder,
  image: VisionTransformer,
  pixels: Value,
): { readonly x: Value; readonly split: Split } {
  const { width, tokens, grid } = image;
  let x = patchEmbedding(g, `${MODEL}.embeddings.patch_embedding`, pixels, image); // [B, grid², width]
  if (image.positions === '2d') {
    const map = g.weight(`${MODEL}.embeddings.position_embedding_2d`); // [1, width, grid, grid]
    const list = g.reshape(map, [1, width, grid * grid]);
    x = g.node('Add', [x, g.node('Transpose', [list], { perm: { ints: [0, 2, 1] } })]);
  }

  const batch = g.node('Shape', [pixels], { start: { int: 0 }, end: { int: 1 } });
  const classShape = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const classToken = g.node('Expand', [g.weight(`${MODEL}.embeddings.class_embedding`), classShape]); // [B, 1, width]
  x = g.node('Concat', [classToken, x], { axis: { int: 1 } }); // [B, T, width]
  if (image.positions === '1d') x = g.node('Add', [x, g.weight(`${MODEL}.embeddings.position_embedding.weight`)]);
  x = g.reshape(x, ['rows', width]); // [B·T, width]
  x = layerNorm(g, `${MODEL}.pre_layrnorm`, x, image);

  const split = { shape: ['batch', tokens, width] };
  for (let n = 0; n < image.layers - 1; n++)
    x = block(g, `${MODEL}.encoder.layers.${n}`, x, image, { split, causal: false });
  return { x, split };
}

/**
 * CLIP's text tower as an ONNX graph: `input_ids [B, T] → text_embeds [B, D]`, not yet unit length, for any T up to
 * the context. A token sees itself and those before it, so what follows the end of text never matters.
 */
export function clipTextGraph(checkpoint: Checkpoint, text: TextTransformer, { embedding }: Architecture): Uint8Array {
  const g = new GraphBuilder('clip text tower', checkpoint);
  clipTextTower(g, text, 'input_ids', 'text_embeds');
  return g.finish(
    [{ name: 'input_ids', type: 'I64', shape: ['batch', 'tokens'] }],
    [{ name: 'text_embeds', type: 'F32', shape: ['batch', embedding] }],
  );
}

/** Adds the text tower to a graph: `ids [B, T] → output [B, D]` */
export function clipTextTower(g: GraphBuilder, text: TextTransformer, ids: Value, output: Value): void {
  const model = 'text_model';
  let { x, split } = textEmbedding(g, `${model}.embeddings`, ids, text.width); // [B·T, width]
  const layer = (n: number) => `${model}.encoder.layers.${n}`;
  const tokens = { split, causal: true };
  for (let n = 0; n < text.layers - 1; n++) x = block(g, layer(n), x, text, tokens);
  x = readTokenBlock(g, layer(text.layers - 1), x, text, tokens, endOfText(g, ids, text.pooling)); // [B, width]
  x = layerNorm(g, `${model}.final_layer_norm`, x, text);
  linear(g, 'text_projection', x, 'symmetric', output);
}

/** Takes the row of the first end-of-text token: `[B, T, width] → [B, width]` */
function endOfText(g: GraphBuilder, ids: Value, pooling: TextPooling): (x: Value) => Value {
  const scores =
    pooling.at === 'end of text' ? g.cast(g.node('Equal', [g.cast(ids, 'I64'), g.int64s(pooling.id)]), 'I32') : ids;
  const index = g.node('ArgMax', [scores], { axis: { int: 1 }, keepdims: { int: 1 } }); // [B, 1]
  return (x) => g.node('GatherND', [x, index], { batch_dims: { int: 1 } });
}
