import type { Bert } from '../checkpoint/architecture.ts';
import { attention, layerNorm, linear, mlp, type Tokens, textEmbedding, tokenRow } from './blocks.ts';
import type { GraphBuilder, Value } from './graph.ts';

const MODEL = 'text_model';

/**
 * A BERT as text graph: `ids [B, T] → output [B, D]`, for any T up to the context (Devlin et al. 2019). Every token sees every other but padding, so prompts of different lengths can share a batch.
 */
export function bertTextGraph(g: GraphBuilder, text: Bert, ids: Value, output: Value): void {
  const isPadding = g.node('Equal', [ids, g.int64s(text.padding)]);
  const seen = g.cast(g.node('Not', [isPadding]), 'I32'); // [B, T]
  const embedded = textEmbedding(g, `${MODEL}.embeddings`, ids, text.width, text.firstPosition);
  const tokens = { split: embedded.split, causal: false, seen };
  const types = `${MODEL}.embeddings.token_type_embeddings.weight`; // a DistilBERT has none
  const typed = g.checkpoint.has(types)
    ? g.node('Add', [embedded.x, g.node('Gather', [g.weight(types), g.int64s(0)])]) // [1, width]: a prompt is one sentence
    : embedded.x;
  let x = layerNorm(g, `${MODEL}.embeddings.norm`, typed, text); // [B·T, width]
  const layer = (n: number) => `${MODEL}.encoder.layers.${n}`;
  const last = text.layers - 1;
  for (let n = 0; n < last; n++) x = postNormBlock(g, layer(n), x, x, text, tokens);
  const pooled =
    text.pooling.at === 'mean'
      ? meanOfSeen(g, postNormBlock(g, layer(last), x, x, text, tokens), text, tokens)
      : postNormBlock(g, layer(last), classTokens(g, x, text, tokens), x, text, tokens, { count: 1 }); // [B, width]
  project(g, text, text.pooler ? g.node('Tanh', [linear(g, `${MODEL}.pooler.dense`, pooled)]) : pooled, output);
}

/** `norm(x + attention(x))`, then `norm(x + mlp(x))`: the norms come after the sums (Vaswani et al. 2017, section 3.1). */
function postNormBlock(
  g: GraphBuilder,
  layer: string,
  asking: Value,
  rows: Value,
  text: Bert,
  tokens: Tokens,
  some: { readonly count?: number } = {},
): Value {
  const attended = attention(g, `${layer}.self_attn`, asking, rows, text, tokens, some);
  const x = layerNorm(g, `${layer}.layer_norm1`, g.node('Add', [asking, attended]), text);
  return layerNorm(g, `${layer}.layer_norm2`, g.node('Add', [x, mlp(g, `${layer}.mlp`, x, text)]), text);
}

function classTokens(g: GraphBuilder, x: Value, text: Bert, { split }: Tokens): Value {
  return tokenRow(g, g.reshape(x, split.shape, split.by), 0, text.width);
}

/** The mean over the tokens that are not padding. `[B·T, width] → [B, width]` */
function meanOfSeen(g: GraphBuilder, x: Value, { width }: Bert, { split, seen }: Required<Tokens>): Value {
  const weights = g.node('Unsqueeze', [g.cast(seen, 'F32'), g.int64s(1)]); // [B, 1, T]
  const sums = g.node('MatMul', [weights, g.reshape(x, split.shape, split.by)]); // [B, 1, width]
  const counts = g.node('ReduceSum', [weights, g.int64s(2)]); // [B, 1, 1]
  return g.reshape(g.node('Div', [sums, counts]), ['batch', width]);
}

function project(g: GraphBuilder, { projections }: Bert, pooled: Value, output: Value): void {
  if (projections === 0) g.node('Identity', [pooled], {}, output);
  else if (projections === 1) linear(g, 'text_projection', pooled, 'symmetric', output);
  else {
    const hidden = g.node('Gelu', [linear(g, 'text_projection.0', pooled)]);
    linear(g, 'text_projection.2', hidden, 'symmetric', output);
  }
}
