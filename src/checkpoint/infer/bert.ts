import { ModelError } from '../../errors.ts';
import type { Bert } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import { type Expectation, unsupported } from '../expectation.ts';
import { transformer } from './transformer.ts';

const MODEL = 'text_model';
const DEFAULTS = { heads: 12, activation: 'gelu', epsilon: 1e-12 } as const;

/** A BERT or XLM-RoBERTa as text encoder. @param embedding D, as the image encoder has it */
export function bert(expect: Expectation, root: ConfigReader, embedding: number): Bert {
  const config = root.section('text_config');
  const embeddings = `${MODEL}.embeddings`;
  const [vocabulary = 0, width = 0] = expect.shapeOf(`${embeddings}.token_embedding.weight`);
  const [positions = 0] = expect.shapeOf(`${embeddings}.position_embedding.weight`);
  expect.shape(`${embeddings}.token_embedding.weight`, [vocabulary, width]);
  expect.shape(`${embeddings}.position_embedding.weight`, [positions, width]);
  const types = `${embeddings}.token_type_embeddings.weight`; // a DistilBERT has none
  if (expect.has(types)) expect.shape(types, [expect.shapeOf(types)[0] ?? 0, width]);
  expect.norm(`${embeddings}.norm`, width);
  config.mustAgree('vocab_size', vocabulary, `${embeddings}.token_embedding.weight`);
  config.mustAgree('max_position_embeddings', positions, `${embeddings}.position_embedding.weight`);

  const family =
    config.choice('model_type', [
      'bert',
      'chinese_clip_text_model',
      'roberta',
      'xlm-roberta',
      'camembert',
      'distilbert',
    ]) ?? 'bert';
  const isRoberta = family.endsWith('roberta') || family === 'camembert';
  const padding = config.whole('pad_token_id') ?? (isRoberta ? 1 : 0);
  const firstPosition = isRoberta ? padding + 1 : 0;
  const context = Math.min(config.whole('context_length') ?? Number.POSITIVE_INFINITY, positions - firstPosition);
  const hasPooler = expect.has(`${MODEL}.pooler.dense.weight`);
  if (hasPooler) expect.linear(`${MODEL}.pooler.dense`, width, width);
  const wanted = config.choice('pooling', ['pooler', 'class', 'mean']) ?? 'pooler';
  const pooling = wanted === 'pooler' && !hasPooler ? 'class' : wanted;
  return {
    kind: 'bert',
    ...transformer(expect, MODEL, width, config, DEFAULTS),
    vocabulary,
    context,
    pooling: { at: pooling === 'mean' ? 'mean' : 'class token' },
    padding,
    firstPosition,
    pooler: pooling === 'pooler',
    projections: projections(expect, width, embedding),
  };
}

function projections(expect: Expectation, width: number, embedding: number): Bert['projections'] {
  if (expect.has('text_projection.weight')) {
    expect.shape('text_projection.weight', [embedding, width]);
    if (expect.has('text_projection.bias')) expect.shape('text_projection.bias', [embedding]);
    return 1;
  }
  if (!expect.has('text_projection.0.weight')) {
    if (width === embedding) return 0;
    throw new ModelError(
      `the text encoder's width is ${width}, the image encoder's embeddings have ${embedding} numbers, and there is no projection`,
      unsupported,
    );
  }
  const [hidden = 0] = expect.shapeOf('text_projection.0.weight');
  expect.shape('text_projection.0.weight', [hidden, width]);
  expect.shape('text_projection.2.weight', [embedding, hidden]);
  return 2;
}
