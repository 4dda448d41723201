import type { TextPooling, TextTransformer } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import type { Expectation } from '../expectation.ts';
import { transformer } from './transformer.ts';

const MODEL = 'text_model';
const DEFAULTS = {
  clip: { heads: 8, activation: 'quick_gelu', epsilon: 1e-5 },
  siglip: { heads: 12, activation: 'gelu_pytorch_tanh', epsilon: 1e-6 },
} as const;
const DEFAULT_END_OF_TEXT = 49407;
/** Early exports say `eos_token_id: 2`, which is no end of text; Hugging Face then pools at the greatest id. */
const WRONG_END_OF_TEXT = 2;

/** The text tower of a CLIP, or of a SigLIP if its head is called so. @param embedding D, as the image tower has it */
export function textTransformer(expect: Expectation, root: ConfigReader, embedding: number): TextTransformer {
  const config = root.section('text_config');
  const kind = expect.has(`${MODEL}.head.weight`) ? 'siglip' : 'clip';
  const tokenWeight = `${MODEL}.embeddings.token_embedding.weight`;
  const positionWeight = `${MODEL}.embeddings.position_embedding.weight`;
  const [vocabulary = 0, width = 0] = expect.shapeOf(tokenWeight);
  const [context = 0] = expect.shapeOf(positionWeight);
  expect.shape(tokenWeight, [vocabulary, width]);
  expect.shape(positionWeight, [context, width]);
  expect.norm(`${MODEL}.final_layer_norm`, width);
  config.mustAgree('vocab_size', vocabulary, tokenWeight);
  config.mustAgree('max_position_embeddings', context, positionWeight);
  const blocks = transformer(expect, MODEL, width, config, DEFAULTS[kind]);
  if (kind === 'siglip') {
    expect.linear(`${MODEL}.head`, embedding, width);
    config.mustAgree('projection_size', embedding, `${MODEL}.head.weight`);
  } else {
    expect.shape('text_projection.weight', [embedding, width]);
  }
  const pooling: TextPooling = kind === 'siglip' ? { at: 'last token' } : endOfText(config, vocabulary);
  return { kind, ...blocks, vocabulary, context, pooling };
}

function endOfText(config: ConfigReader, vocabulary: number): TextPooling {
  const id = config.whole('eos_token_id') ?? DEFAULT_END_OF_TEXT;
  if (id === WRONG_END_OF_TEXT) return { at: 'greatest id' };
  if (id >= vocabulary) throw config.contradiction('eos_token_id', id, `a vocabulary of ${vocabulary}`);
  return { at: 'end of text', id };
}
