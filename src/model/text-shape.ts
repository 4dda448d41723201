import type { TextTower } from '../checkpoint/architecture.ts';
import { isRecord } from '../checkpoint/safetensors.ts';
import type { Cleaning } from '../text/cleaning.ts';
import type { Padding, TextShape } from '../text/tokenizer.ts';
import type { ModelFolder } from './folder.ts';

/** SigLIP 1 was trained without punctuation. It is recognised by the class of its tokenizer or, if that is missing, by its vocabulary. */
const SIGLIP_1 = { tokenizer: 'SiglipTokenizer', vocabulary: 32_000 } as const;

/** How texts are prepared for a text encoder: like in the library that saved the model. */
export function textShape(
  { config, library }: Pick<ModelFolder, 'config' | 'library'>,
  text: TextTower,
  tokenizerConfig: Readonly<Record<string, unknown>>,
): TextShape {
  const { context, vocabulary, pooling } = text;
  const terms = isRecord(config['text_config']) ? config['text_config'] : {};
  const cleaning = (): Cleaning => {
    if (terms['cleaning'] === 'canonical' || terms['cleaning'] === 'open_clip') return terms['cleaning'];
    if (text.kind === 'bert') return 'none';
    if (pooling.at !== 'last token') return 'openai';
    const isFirst = String(tokenizerConfig['tokenizer_class'] ?? '').startsWith(SIGLIP_1.tokenizer);
    return isFirst || vocabulary === SIGLIP_1.vocabulary ? 'siglip' : 'siglip2';
  };
  const padding = (): Padding => {
    if (pooling.at === 'appended token') return { to: 'one more token', id: pooling.padding };
    if (pooling.at !== 'last token') return 'none';
    return library === 'open_clip' && terms['pads_with'] === 0
      ? { to: 'context', id: 0 }
      : { to: 'context', id: 'pad_token' };
  };
  return { context, vocabulary, pooling, cleaning: cleaning(), padding: padding() };
}
