import type { TextTowerConfig } from '../checkpoint/architecture.ts';
import { isRecord } from '../checkpoint/safetensors.ts';
import type { Cleaning } from '../text/cleaning.ts';
import type { Padding, TextShape } from '../text/tokenizer.ts';
import type { ModelFolder } from './folder.ts';

type Fields = Readonly<Record<string, unknown>>;

/** SigLIP 1 was trained without punctuation. It is recognised by the class of its tokenizer or, without a class, by its vocabulary. */
const SIGLIP_1 = { tokenizer: 'SiglipTokenizer', vocabulary: 32_000 } as const;

/** Classes of transformers that do not clean a text: only tokenizer.json changes it. */
const PLAIN = /^(PreTrainedTokenizer|TokenizersBackend)/u;

/** What a SigLIP's tokenizer of transformers does to a text. @param tokenizer tokenizer_config.json */
export function cleaningOfSiglip(tokenizer: Fields, vocabulary: number): Cleaning {
  const kind = String(tokenizer['tokenizer_class'] ?? '');
  if (kind.startsWith(SIGLIP_1.tokenizer) || (kind === '' && vocabulary === SIGLIP_1.vocabulary)) {
    return tokenizer['do_lower_case'] === false ? 'siglip cased' : 'siglip';
  }
  return PLAIN.test(kind) && tokenizer['do_lower_case'] !== true ? 'none' : 'siglip2';
}

/** transformers pads the prompts of every SigLIP to this length (pipelines/zero_shot_image_classification.py). */
const SIGLIP_LENGTH = 64;

/** Classes of transformers that put padding before the text by default. */
const LEFT = /^(Siglip2|Gemma)Tokenizer/u;

/** Where a SigLIP's tokenizer of transformers puts padding. @param tokenizer tokenizer_config.json */
export function paddingSideOfSiglip(tokenizer: Fields): 'left' | 'right' {
  const { padding_side: side, tokenizer_class: kind } = tokenizer;
  if (side === 'left' || side === 'right') return side;
  return LEFT.test(String(kind)) ? 'left' : 'right';
}

/** How texts are prepared for a text encoder: in the same way as in the library that saved the model. */
export function textShape(
  { config, library }: Pick<ModelFolder, 'config' | 'library'>,
  text: TextTowerConfig,
  tokenizer: Fields,
): TextShape {
  const { vocabulary, pooling } = text;
  const terms = isRecord(config['text_config']) ? config['text_config'] : {};
  const isSiglip = library === 'transformers' && pooling.at === 'last token';
  const cleaning = (): Cleaning => {
    const said = OPEN_CLIP_CLEANING.find((one) => one === terms['cleaning']);
    if (said !== undefined) return said;
    if (text.kind === 'bert') return 'none';
    return isSiglip ? cleaningOfSiglip(tokenizer, vocabulary) : 'openai';
  };
  const padding = (): Padding => {
    if (text.kind === 'bert') return 'none';
    if (pooling.at === 'appended token') return { to: 'one more token', id: pooling.padding };
    if (text.causal && pooling.at !== 'last token') return 'none'; // what follows the end of text is never seen
    const side = isSiglip ? paddingSideOfSiglip(tokenizer) : 'right';
    const id = terms['pads_with'] === 0 ? 0 : 'pad_token';
    return { to: 'context', id, side, seen: !text.masksPadding };
  };
  return {
    context: isSiglip ? Math.min(text.context, SIGLIP_LENGTH) : text.context,
    vocabulary,
    pooling,
    cleaning: cleaning(),
    padding: padding(),
    ...(terms['strips_separator'] === true && { separator: 'stripped' as const }),
  };
}

const OPEN_CLIP_CLEANING = ['canonical', 'open_clip', 'open_clip lower'] as const;
