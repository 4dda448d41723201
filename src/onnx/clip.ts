import type { TextTransformer, VisionTransformer } from '../checkpoint/architecture.ts';
import {
  block,
  layerNorm,
  linear,
  oneTokenBlock,
  readTokenBlock,
  type Split,
  type Tokens,
  textEmbedding,
  tokenRow,
} from './blocks.ts';
import { patchEmbedding } from './convolution.ts';
import type { GraphBuilder, Value } from './graph.ts';

const MODEL = 'vision_model';
const HEAD = `${MODEL}.head`;
/** The input of a text graph that masks padding. */
export const ATTENTION_MASK = 'attention_mask';

/**
 * CLIP's image graph: `pixels [B, 3, S, S] → output [B, D]` (Radford et al. 2021, section 2.4; Dosovitskiy et al. 2021, eq. 1–4).
 *
 * Between the attention parts tokens are rows of one matrix, `[B·T, width]`, so that every product is a `Gemm`
 * on the checkpoint's own `[out, in]` matrix with its bias inside: the fastest form on the CPU provider.
 */
export function clipImageGraph(g: GraphBuilder, image: VisionTransformer, pixels: Value, output: Value): void {
  const { x, split } = clipTokens(g, image, pixels);
  clipProjection(g, image, pool(g, image, x, split), output);
}

/** The pooled tokens after the last block, `[B, width]`. */
function pool(g: GraphBuilder, image: VisionTransformer, x: Value, split: Split): Value {
  const last = `${MODEL}.encoder.layers.${image.layers - 1}`;
  if (image.pooling === 'class') return oneTokenBlock(g, last, x, image, split, 0);
  const rows = block(g, last, x, image, { split, causal: false });
  if (image.pooling === 'queries') return firstQuery(g, image, rows, split);
  const normed = image.normBeforePooling ? layerNorm(g, `${MODEL}.post_layernorm`, rows, image) : rows;
  const tokens = g.reshape(normed, split.shape);
  const pooled =
    image.pooling === 'mean' ? tokens : g.node('Slice', [tokens, g.int64s(1), g.int64s(image.tokens), g.int64s(1)]);
  return g.node('ReduceMean', [pooled, g.int64s(1)], { keepdims: { int: 0 } });
}

/**
 * CoCa's attention pooling: learned queries attend to all tokens, and the first query stands for the image (Yu et al. 2022, section 3.2,
 * as in open_clip).
 */
function firstQuery(g: GraphBuilder, image: VisionTransformer, rows: Value, split: Split): Value {
  const [, width = 0] = g.checkpoint.tensor(`${HEAD}.query`).shape;
  const attention = `${HEAD}.attention`;
  const keys = layerNorm(g, `${HEAD}.ln_k`, rows, image);
  const query = layerNorm(g, `${HEAD}.ln_q`, g.node('Gather', [g.weight(`${HEAD}.query`), g.int64s(0)]), image); // [1, width]
  const batch = g.node('Shape', [g.reshape(keys, split.shape)], { start: { int: 0 }, end: { int: 1 } });
  const each = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const asking = g.node('Expand', [linear(g, `${attention}.q_proj`, query), each]); // [B, 1, width]
  const part = (name: string) => g.reshape(linear(g, `${attention}.${name}`, keys), ['batch', image.tokens, width]);
  const attended = g.node('com.microsoft.MultiHeadAttention', [asking, part('k_proj'), part('v_proj')], {
    num_heads: { int: image.poolingHeads },
  });
  return linear(g, `${attention}.out_proj`, g.reshape(attended, ['batch', width]));
}

/** Pooled rows `[N, width]` → the space that images and texts share, `output [N, D]` */
export function clipProjection(g: GraphBuilder, image: VisionTransformer, pooled: Value, output: Value): void {
  const normed = image.normBeforePooling ? pooled : layerNorm(g, `${MODEL}.post_layernorm`, pooled, image);
  const read = image.pooler ? g.node('Tanh', [linear(g, `${MODEL}.pooler.dense`, normed)]) : normed;
  linear(g, 'visual_projection', read, 'symmetric', output);
}

/** The class token and the patches of each image before the last block, and the shape that splits the rows. */
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
  if (image.normFirst) x = layerNorm(g, `${MODEL}.pre_layrnorm`, x, image);

  const split = { shape: ['batch', tokens, width] };
  for (let n = 0; n < image.layers - 1; n++)
    x = block(g, `${MODEL}.encoder.layers.${n}`, x, image, { split, causal: false });
  return { x, split };
}

/**
 * The text graph of CLIP, SigLIP, CLIPA and CoCa: `ids [B, T] → output [B, D]`.
 * For CLIP, T may be any length up to the context: attention is causal, so tokens after the end of text have no effect. If the last token
 * is read (SigLIP), every token attends to all tokens including the padding, so prompts are padded to the context.
 */
export function clipTextGraph(g: GraphBuilder, text: TextTransformer, ids: Value, output: Value): void {
  const model = 'text_model';
  const { pooling, causal, layers } = text;
  const embeddings = `${model}.embeddings`;
  const embedded =
    pooling.at === 'appended token'
      ? withAppendedToken(g, embeddings, ids, text, pooling.padding)
      : textEmbedding(g, embeddings, ids, text.width); // [B·T, width]
  const mask = text.masksPadding && { seen: g.cast(ATTENTION_MASK, 'I32') };
  const tokens: Tokens = { causal, ...embedded, ...mask };
  const layer = (n: number) => `${model}.encoder.layers.${n}`;
  let { x } = embedded;
  for (let n = 0; n < layers - 1; n++) x = block(g, layer(n), x, text, tokens);
  x = readTokenBlock(g, layer(layers - 1), x, text, tokens, readToken(g, ids, text)); // [B, width]
  x = layerNorm(g, `${model}.final_layer_norm`, x, text);
  const heads = [`${model}.head`, 'text_projection']; // SigLIP's projection has a bias
  const head = heads.find((name) => g.checkpoint.has(`${name}.weight`));
  if (head === undefined) g.node('Identity', [x], {}, output);
  else linear(g, head, x, 'symmetric', output);
}

/** Takes the row of each prompt's first end-of-text token, or the last row: `[B, T, width] → [B, width]` */
function readToken(g: GraphBuilder, ids: Value, { pooling, width }: TextTransformer): (x: Value) => Value {
  if (pooling.at === 'last token' || pooling.at === 'appended token') return (x) => tokenRow(g, x, -1, width);
  if (pooling.at === 'class token') return (x) => tokenRow(g, x, 0, width);
  const scores =
    pooling.at === 'end of text' ? g.cast(g.node('Equal', [g.cast(ids, 'I64'), g.int64s(pooling.id)]), 'I32') : ids;
  const index = g.node('ArgMax', [scores], { axis: { int: 1 }, keepdims: { int: 1 } }); // [B, 1]
  return (x) => g.node('GatherND', [x, index], { batch_dims: { int: 1 } });
}

/**
 * CoCa: the model's own class token follows the prompt, at the last position. A mask hides padding from it. open_clip shifts this mask by
 * one token, and the weights are trained with that: a token is visible if the token before it is not padding.
 */
function withAppendedToken(
  g: GraphBuilder,
  name: string,
  ids: Value,
  { width, context }: TextTransformer,
  padding: number,
): { readonly x: Value; readonly split: Split; readonly seen: Value } {
  const { x, split } = textEmbedding(g, name, ids, width);
  const batch = g.node('Shape', [ids], { start: { int: 0 }, end: { int: 1 } });
  const position = g.node('Gather', [g.weight(`${name}.position_embedding.weight`), g.int64s(context)]); // [1, width]
  const token = g.node('Add', [g.weight(`${name}.class_embedding`), position]);
  const each = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const all = g.node('Concat', [g.reshape(x, split.shape, split.by), g.node('Expand', [token, each])], {
    axis: { int: 1 },
  });
  const length = g.node('Shape', [all], { start: { int: 1 }, end: { int: 2 } });
  const isReal = g.cast(g.node('Not', [g.node('Equal', [ids, g.int64s(padding)])]), 'I32'); // [B, T]
  const first = g.node('Expand', [
    g.cast(g.int64s(1), 'I32'),
    g.node('Concat', [batch, g.int64s(1)], { axis: { int: 0 } }),
  ]);
  return {
    x: g.reshape(all, ['rows', width]),
    split: {
      shape: ['batch', 'tokens and one', width],
      by: g.node('Concat', [g.int64s(-1), length, g.int64s(width)], { axis: { int: 0 } }),
    },
    seen: g.node('Concat', [first, isReal], { axis: { int: 1 } }), // [B, T + 1]
  };
}
