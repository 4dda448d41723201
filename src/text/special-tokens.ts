import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { exists } from '../disk/exists.ts';

/** Special tokens that a model needs and a text does not spell out. */
export type SpecialToken = 'pad_token' | 'sep_token';

/** The names in transformers' tokenizers, for models whose files do not contain them. */
const USUAL: readonly (readonly [tokenizer: RegExp, names: Partial<Record<SpecialToken, string>>])[] = [
  [/^SiglipTokenizer/u, { pad_token: '</s>' }],
  [/^(Siglip2|Gemma)Tokenizer/u, { pad_token: '<pad>' }],
  [/^BertTokenizer/u, { pad_token: '[PAD]', sep_token: '[SEP]' }],
];

/** The text of a special token, from tokenizer_config.json, special_tokens_map.json or the class of the tokenizer. */
export async function specialToken(folder: string, field: SpecialToken): Promise<string | undefined> {
  const config = await readIfThere(folder, 'tokenizer_config.json');
  const said = contentOf(config[field]) ?? contentOf((await readIfThere(folder, 'special_tokens_map.json'))[field]);
  if (said !== undefined) return said;
  const kind = String(config['tokenizer_class'] ?? '');
  return USUAL.find(([pattern]) => pattern.test(kind))?.[1][field];
}

/** A token is a string, or an object with the string and more fields. */
function contentOf(token: unknown): string | undefined {
  const content = typeof token === 'object' && token !== null && 'content' in token ? token.content : token;
  return typeof content === 'string' ? content : undefined;
}

async function readIfThere(folder: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  return (await exists(join(folder, file))) ? readModelJson(folder, file) : {};
}
