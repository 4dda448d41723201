import type { Architecture, TextTower, Tower } from './architecture.ts';
import { GraphBuilder, type Value } from './graph.ts';
import type { Checkpoint } from './safetensors.ts';

/**
 * The image tower as an ONNX graph: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, not yet unit length
 * (Radford et al. 2021, section 2.4; Dosovitskiy et al. 2021, eq. 1–4).
 *
 * Between the attention parts tokens are rows of one matrix, `[B·T, width]`, so that every product is a `Gemm`
 * on the checkpoint's own `[out, in]` matrix with its bias inside: the fastest form on the CPU provider.
 */
export function imageGraph(checkpoint: Checkpoint, { image, embedding }: Architecture): Uint8Array {
  const g = new GraphBuilder('clip image tower', checkpoint);
  const model = 'vision_model';
  const { width, tokens, grid } = image;

  let x = g.node('Conv', ['pixel_values', g.weight(`${model}.embeddings.patch_embedding.weight`)], {
    kernel_shape: { ints: [image.patch, image.patch] },
    strides: { ints: [image.patch, image.patch] },
  }); // [B, width, grid, grid]
  if (image.positions === '2d') x = g.node('Add', [x, g.weight(`${model}.embeddings.position_embedding_2d`)]);
  x = g.node('Reshape', [x, g.int64s(0, width, grid * grid)]);
  x = g.node('Transpose', [x], { perm: { ints: [0, 2, 1] } }); // [B, grid², width]

  const batch = g.node('Shape', ['pixel_values'], { start: { int: 0 }, end: { int: 1 } });
  const classShape = g.node('Concat', [batch, g.int64s(1, width)], { axis: { int: 0 } });
  const classToken = g.node('Expand', [g.weight(`${model}.embeddings.class_embedding`), classShape]); // [B, 1, width]
  x = g.node('Concat', [classToken, x], { axis: { int: 1 } }); // [B, T, width]
  if (image.positions === '1d') x = g.node('Add', [x, g.weight(`${model}.embeddings.position_embedding.weight`)]);
  x = g.node('Reshape', [x, g.int64s(-1, width)]); // [B·T, width]
  x = layerNorm(g, `${model}.pre_layrnorm`, x, image);

  const split = g.int64s(-1, tokens, width);
  for (let n = 0; n < image.layers - 1; n++) {
    x = block(g, `${model}.encoder.layers.${n}`, x, image, { split, causal: false });
  }
  const last = `${model}.encoder.layers.${image.layers - 1}`;
  if (image.pooling === 'mean') {
    x = block(g, last, x, image, { split, causal: false });
    x = g.node('ReduceMean', [g.node('Reshape', [x, split]), g.int64s(1)], { keepdims: { int: 0 } });
  } else {
    x = classTokenBlock(g, last, x, image, split);
  } // [B, width]
  x = layerNorm(g, `${model}.post_layernorm`, x, image);
  g.node('Gemm', [x, g.weight('visual_projection.weight')], { transB: { int: 1 } }, 'image_embeds');
  return g.finish(
    { name: 'pixel_values', type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] },
    { name: 'image_embeds', shape: ['batch', embedding] },
  );
}

/**
 * The text tower as an ONNX graph: `input_ids [B, T] → text_embeds [B, D]`, not yet unit length, for any T up to
 * the context. A token sees itself and those before it, so what follows the end of text never matters.
 */
export function textGraph(checkpoint: Checkpoint, { text, embedding }: Architecture): Uint8Array {
  const g = new GraphBuilder('clip text tower', checkpoint);
  const model = 'text_model';

  const length = g.node('Shape', ['input_ids'], { start: { int: 1 }, end: { int: 2 } });
  const tokens = gatherRows(g, `${model}.embeddings.token_embedding.weight`, 'input_ids'); // [B, T, width]
  const positions = g.node('Slice', [g.weight(`${model}.embeddings.position_embedding.weight`), g.int64s(0), length]);
  let x = g.node('Add', [tokens, positions]);
  x = g.node('Reshape', [x, g.int64s(-1, text.width)]); // [B·T, width]

  const split = g.node('Concat', [g.int64s(-1), length, g.int64s(text.width)], { axis: { int: 0 } });
  for (let n = 0; n < text.layers; n++) {
    x = block(g, `${model}.encoder.layers.${n}`, x, text, { split, causal: true });
  }
  x = endOfTextRow(g, g.node('Reshape', [x, split]), text); // [B, width]
  x = layerNorm(g, `${model}.final_layer_norm`, x, text);
  g.node('Gemm', [x, g.weight('text_projection.weight')], { transB: { int: 1 } }, 'text_embeds');
  return g.finish(
    { name: 'input_ids', type: 'I64', shape: ['batch', 'tokens'] },
    { name: 'text_embeds', shape: ['batch', embedding] },
  );
}

/** A residual attention block over all tokens: `x + attention(norm(x))`, then `x + mlp(norm(x))`, on `[B·T, width]`. */
function block(
  g: GraphBuilder,
  layer: string,
  x: Value,
  tower: Tower,
  { split, causal }: { split: Value; causal: boolean },
): Value {
  const normed = layerNorm(g, `${layer}.layer_norm1`, x, tower);
  const [query, key, value] = (['q_proj', 'k_proj', 'v_proj'] as const).map((name) =>
    g.node('Reshape', [linear(g, `${layer}.self_attn.${name}`, normed), split]),
  ) as [Value, Value, Value];
  const attended = attention(g, query, key, value, tower, causal); // [B, T, width]
  const rows = g.node('Reshape', [attended, g.int64s(-1, tower.width)]);
  return mlp(g, layer, g.node('Add', [x, linear(g, `${layer}.self_attn.out_proj`, rows)]), tower);
}

/** The last block where only the class token is read: every token gives a key and a value, one asks. `[B·T, width] → [B, width]` */
function classTokenBlock(g: GraphBuilder, layer: string, x: Value, tower: Tower, split: Value): Value {
  const normed = layerNorm(g, `${layer}.layer_norm1`, x, tower);
  const [key, value] = (['k_proj', 'v_proj'] as const).map((name) =>
    g.node('Reshape', [linear(g, `${layer}.self_attn.${name}`, normed), split]),
  ) as [Value, Value];
  const first = (rows: Value) =>
    g.node('Reshape', [
      g.node('Gather', [g.node('Reshape', [rows, split]), g.int64s(0)], { axis: { int: 1 } }),
      g.int64s(-1, tower.width),
    ]);
  const query = g.node('Reshape', [
    linear(g, `${layer}.self_attn.q_proj`, first(normed)),
    g.int64s(-1, 1, tower.width),
  ]);
  const attended = attention(g, query, key, value, tower, false); // [B, 1, width]
  const rows = g.node('Reshape', [attended, g.int64s(-1, tower.width)]);
  return mlp(g, layer, g.node('Add', [first(x), linear(g, `${layer}.self_attn.out_proj`, rows)]), tower);
}

function attention(g: GraphBuilder, query: Value, key: Value, value: Value, tower: Tower, causal: boolean): Value {
  return g.node('com.microsoft.MultiHeadAttention', [query, key, value], {
    num_heads: { int: tower.heads },
    unidirectional: { int: causal ? 1 : 0 },
  });
}

function mlp(g: GraphBuilder, layer: string, x: Value, tower: Tower): Value {
  const hidden = linear(g, `${layer}.mlp.fc1`, layerNorm(g, `${layer}.layer_norm2`, x, tower));
  const activated =
    tower.activation === 'quick_gelu'
      ? g.node('com.microsoft.QuickGelu', [hidden], { alpha: { float: 1.702 } }) // x · sigmoid(1.702 x)
      : g.node('Gelu', [hidden]);
  return g.node('Add', [x, linear(g, `${layer}.mlp.fc2`, activated)]);
}

function linear(g: GraphBuilder, name: string, x: Value): Value {
  return g.node('Gemm', [x, g.weight(`${name}.weight`), g.weight(`${name}.bias`)], { transB: { int: 1 } });
}

function layerNorm(g: GraphBuilder, name: string, x: Value, tower: Tower): Value {
  return g.node('LayerNormalization', [x, g.weight(`${name}.weight`), g.weight(`${name}.bias`)], {
    epsilon: { float: tower.epsilon },
  });
}

/** Rows of an embedding table; of a table stored in half precision only the rows that are looked up are widened. */
function gatherRows(g: GraphBuilder, table: string, ids: Value): Value {
  const rows = g.node('Gather', [g.storedWeight(table), ids]);
  return g.storedType(table) === 'F32' ? rows : g.cast(rows, 'F32');
}

/** The row of the first end-of-text token: `[B, T, width] → [B, width]` */
function endOfTextRow(g: GraphBuilder, x: Value, text: TextTower): Value {
  const scores =
    text.endOfText === 'greatest'
      ? 'input_ids'
      : g.cast(g.node('Equal', ['input_ids', g.int64s(text.endOfText)]), 'I32');
  const index = g.node('ArgMax', [scores], { axis: { int: 1 }, keepdims: { int: 1 } }); // [B, 1]
  return g.node('GatherND', [x, index], { batch_dims: { int: 1 } });
}
