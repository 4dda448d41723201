import type { Transformer } from '../checkpoint/architecture.ts';
import type { GraphBuilder, Shape, Value } from './graph.ts';
import { quantizedLinear, type Range } from './quantized-linear.ts';

/** The shape `[B, T, width]` that splits the rows `[B·T, width]` by image or prompt. `by` is its value in the graph if T varies, too. */
export interface Split {
  readonly shape: Shape;
  readonly by?: Value;
}

/** The layout of the tokens in the matrix of a residual attention block. */
export interface Tokens {
  readonly split: Split;
  /** Causal attention: a token attends to itself and earlier tokens only. */
  readonly causal: boolean;
  /** `[B, T]`, the attention mask: 1 for tokens and 0 for padding. Absent if there is no padding. */
  readonly seen?: Value;
}

/** A residual attention block over all tokens: `x + attention(norm(x))`, then `x + mlp(norm(x))`, on `[B·T, width]`. */
export function block(g: GraphBuilder, layer: string, x: Value, config: Transformer, tokens: Tokens): Value {
  const normed = layerNorm(g, `${layer}.layer_norm1`, x, config);
  const attended = attention(g, `${layer}.self_attn`, normed, normed, config, tokens);
  return residualMlp(g, layer, g.node('Add', [x, scaled(g, `${layer}.ls_1`, attended)]), config);
}

/**
 * The last block if only one token is read: all tokens have a key and a value, but only one has a query.
 *
 * @param index of the token, -1 for the last
 * @returns `[B, width]`
 */
export function oneTokenBlock(
  g: GraphBuilder,
  layer: string,
  x: Value,
  config: Transformer,
  split: Split,
  index: 0 | -1,
): Value {
  const normed = layerNorm(g, `${layer}.layer_norm1`, x, config);
  const one = (rows: Value) => tokenRow(g, g.reshape(rows, split.shape, split.by), index, config.width);
  const attended = attention(
    g,
    `${layer}.self_attn`,
    one(normed),
    normed,
    config,
    { split, causal: false },
    { count: 1 },
  );
  return residualMlp(g, layer, g.node('Add', [one(x), scaled(g, `${layer}.ls_1`, attended)]), config);
}

/**
 * The last block if one token of each prompt is read, at a different position in each: all tokens have a query because of the causal
 * mask, but the rest of the block is computed for the one token only.
 *
 * @param read selects its row, `[B, T, width] → [B, width]`
 */
export function readTokenBlock(
  g: GraphBuilder,
  layer: string,
  x: Value,
  config: Transformer,
  tokens: Tokens,
  read: (x: Value) => Value,
): Value {
  const normed = layerNorm(g, `${layer}.layer_norm1`, x, config);
  const attended = attention(g, `${layer}.self_attn`, normed, normed, config, tokens, { read });
  const { shape, by } = tokens.split;
  const sum = g.node('Add', [read(g.reshape(x, shape, by)), scaled(g, `${layer}.ls_1`, attended)]);
  return residualMlp(g, layer, sum, config);
}

/** One token of each image or prompt: `[B, T, width] → [B, width]` */
export function tokenRow(g: GraphBuilder, x: Value, index: 0 | -1, width: number): Value {
  return g.reshape(g.node('Gather', [x, g.int64s(index)], { axis: { int: 1 } }), ['batch', width]);
}

/**
 * Multi-head attention with its four projections, on rows.
 *
 * @param asking rows of the queries: all tokens, or `count` for each image
 * @param rows `[B·T, width]`, the tokens of keys and values
 * @param read selects rows of the result `[B, T, width]`; all rows if absent
 */
export function attention(
  g: GraphBuilder,
  name: string,
  asking: Value,
  rows: Value,
  config: Transformer,
  { split, causal, seen }: Tokens,
  { count, read }: { readonly count?: number; readonly read?: (x: Value) => Value } = {},
): Value {
  const heads = (projection: string, from: Value, { shape, by }: Split) =>
    g.reshape(linear(g, `${name}.${projection}`, from), shape, by);
  const attended = g.node(
    'com.microsoft.MultiHeadAttention',
    [
      heads('q_proj', asking, count === undefined ? split : { shape: ['batch', count, config.width] }),
      heads('k_proj', rows, split),
      heads('v_proj', rows, split),
      ...(seen === undefined ? [] : ['', seen]), // the bias is in the projections
    ],
    { num_heads: { int: config.heads }, unidirectional: { int: causal ? 1 : 0 } },
  );
  const got = read?.(attended) ?? g.reshape(attended, [count === 1 ? 'batch' : 'rows', config.width]);
  return linear(g, `${name}.out_proj`, got);
}

/** Attention to a single token: its weight is 1 for any query and key, so only its value counts. */
export function attentionTo(g: GraphBuilder, name: string, rows: Value): Value {
  return linear(g, `${name}.out_proj`, linear(g, `${name}.v_proj`, rows));
}

/** `x + mlp(norm(x))` of a block. */
export function residualMlp(g: GraphBuilder, layer: string, x: Value, config: Transformer): Value {
  const hidden = mlp(g, `${layer}.mlp`, layerNorm(g, `${layer}.layer_norm2`, x, config), config);
  return g.node('Add', [x, scaled(g, `${layer}.ls_2`, hidden)]);
}

/** A learned factor for each channel of what a block adds, if the checkpoint has one (Touvron et al. 2021, LayerScale). */
export function scaled(g: GraphBuilder, name: string, x: Value): Value {
  return g.checkpoint.has(`${name}.gamma`) ? g.node('Mul', [x, g.weight(`${name}.gamma`)]) : x;
}

/** The lowest value of each activation, rounded down. They have no upper bound. */
const LEAST: Readonly<Record<Transformer['activation'], number>> = {
  quick_gelu: -0.1637,
  gelu: -0.17,
  gelu_pytorch_tanh: -0.1701,
  relu: 0,
  silu: -0.2785,
};

/** Two layers with the activation of the encoder between them. */
export function mlp(g: GraphBuilder, name: string, x: Value, config: Transformer): Value {
  const hidden = activate(g, linear(g, `${name}.fc1`, x), config.activation);
  return linear(g, `${name}.fc2`, hidden, { least: LEAST[config.activation] });
}

function activate(g: GraphBuilder, x: Value, activation: Transformer['activation']): Value {
  switch (activation) {
    case 'quick_gelu': // x · sigmoid(1.702 x)
      return g.node('com.microsoft.QuickGelu', [x], { alpha: { float: 1.702 } });
    case 'gelu':
      return g.node('Gelu', [x]);
    case 'gelu_pytorch_tanh':
      return g.node('Gelu', [x], { approximate: { text: 'tanh' } });
    case 'relu':
      return g.node('Relu', [x]);
    case 'silu': // x · sigmoid(x)
      return g.node('com.microsoft.QuickGelu', [x], { alpha: { float: 1 } });
  }
}

/**
 * `x · weightᵀ + bias` on the checkpoint's own matrix. A projection has no bias.
 *
 * @param range the range of `x`, if it is limited; a quantised matrix needs it
 */
export function linear(g: GraphBuilder, name: string, x: Value, range: Range = 'symmetric', output?: Value): Value {
  const weight = `${name}.weight`;
  if (g.checkpoint.has(`${weight}_step`)) return quantizedLinear(g, name, x, range, output);
  const bias = g.checkpoint.has(`${name}.bias`) ? [g.weight(`${name}.bias`)] : [];
  const transB = { int: g.checkpoint.tensor(weight).transposed ? 0 : 1 };
  return g.node('Gemm', [x, g.weight(weight), ...bias], { transB }, output);
}

export function layerNorm(g: GraphBuilder, name: string, x: Value, config: Transformer): Value {
  return g.node('LayerNormalization', [x, g.weight(`${name}.weight`), g.weight(`${name}.bias`)], {
    epsilon: { float: config.epsilon },
  });
}

/**
 * `ids [B, T]` → token and position embeddings as rows `[B·T, width]`, and the shape that splits them.
 *
 * @param first the row of the first token's position
 */
export function textEmbedding(
  g: GraphBuilder,
  name: string,
  ids: Value,
  width: number,
  first = 0,
): { readonly x: Value; readonly split: Split } {
  const length = g.node('Shape', [ids], { start: { int: 1 }, end: { int: 2 } });
  const tokens = g.weightRows(`${name}.token_embedding.weight`, ids);
  const end = first === 0 ? length : g.node('Add', [length, g.int64s(first)]);
  const positions = g.node('Slice', [g.weight(`${name}.position_embedding.weight`), g.int64s(first), end]);
  return {
    x: g.reshape(g.node('Add', [tokens, positions]), ['rows', width]),
    split: {
      shape: ['batch', 'tokens', width],
      by: g.node('Concat', [g.int64s(-1), length, g.int64s(width)], { axis: { int: 0 } }),
    },
  };
}
