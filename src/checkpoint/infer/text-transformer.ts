import type { TextPooling, TextTransformer } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import type { Expectation } from '../expectation.ts';
import { transformer } from './transformer.ts';

const MODEL = 'text_model';
const CLIP = { heads: 8, activation: 'quick_gelu', epsilon: 1e-5 } as const;
const SIGLIP = { heads: 12, activation: 'gelu_pytorch_tanh', epsilon: 1e-6 } as const;
const DEFAULT_END_OF_TEXT = 49407;
/** Early exports have the wrong `eos_token_id: 2`. Hugging Face then pools at the greatest id. */
const WRONG_END_OF_TEXT = 2;

/** The text encoder of a CLIP, or of a SigLIP if its projection has a bias. @param embedding D, as the image encoder has it */
export function textTransformer(expect: Expectation, root: ConfigReader, embedding: number): TextTransformer {
  const config = root.section('text_config');
  const siglip = expect.has(`${MODEL}.head.weight`);
  const tokenWeight = `${MODEL}.embeddings.token_embedding.weight`;
  const positionWeight = `${MODEL}.embeddings.position_embedding.weight`;
  const [vocabulary = 0, width = 0] = expect.shapeOf(tokenWeight);
  const [positions = 0] = expect.shapeOf(positionWeight);
  expect.shape(tokenWeight, [vocabulary, width]);
  expect.shape(positionWeight, [positions, width]);
  expect.norm(`${MODEL}.final_layer_norm`, width);
  config.mustAgree('vocab_size', vocabulary, tokenWeight);
  config.mustAgree('max_position_embeddings', positions, positionWeight);
  const appended = expect.has(`${MODEL}.embeddings.class_embedding`);
  if (appended) expect.shape(`${MODEL}.embeddings.class_embedding`, [width]);
  if (siglip) {
    expect.linear(`${MODEL}.head`, embedding, width);
    config.mustAgree('projection_size', embedding, `${MODEL}.head.weight`);
  } else if (expect.has('text_projection.weight') || width !== embedding) {
    expect.shape('text_projection.weight', [embedding, width]);
  }
  const pooling: TextPooling = appended
    ? { at: 'appended token', padding: config.whole('pad_token_id') ?? 0 }
    : poolingOf(config, vocabulary, siglip ? 'last' : 'eos');
  return {
    kind: 'transformer',
    ...transformer(expect, MODEL, width, config, siglip ? SIGLIP : CLIP),
    vocabulary,
    context: appended ? positions - 1 : positions,
    causal: (config.choice('attention', ['causal', 'full']) ?? (siglip ? 'full' : 'causal')) === 'causal',
    pooling,
    masksPadding: pooling.at === 'last token' && config.flag('masks_padding'),
  };
}

function poolingOf(config: ConfigReader, vocabulary: number, usual: 'eos' | 'last'): TextPooling {
  switch (config.choice('pooling', ['argmax', 'eos', 'last', 'first']) ?? usual) {
    case 'last':
      return { at: 'last token' };
    case 'first':
      return { at: 'class token' };
    default:
      return endOfText(config, vocabulary);
  }
}

function endOfText(config: ConfigReader, vocabulary: number): TextPooling {
  const id = config.whole('eos_token_id') ?? DEFAULT_END_OF_TEXT;
  if (id === WRONG_END_OF_TEXT) return { at: 'greatest id' };
  if (id >= vocabulary) throw config.contradiction('eos_token_id', id, `a vocabulary of ${vocabulary}`);
  return { at: 'end of text', id };
}
