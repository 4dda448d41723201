import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { decodeHTML } from 'entities';
import { ModelError, messageOf } from '../errors.ts';

/** The token ids of one prompt, start and end of text included. */
export interface Tokens {
  readonly ids: readonly number[];
  /** More tokens than the model's context: cut, with the end-of-text token kept. */
  readonly truncated: boolean;
}

/** Text → token ids, as a CLIP's text tower wants them. */
export interface Tokenizer {
  encode(text: string): Tokens;
  /** The special token that a text spells out, if it does: it would end or start the prompt in its middle. */
  specialTokenIn(text: string): string | undefined;
}

/**
 * Opens `tokenizer.json` of a model folder.
 *
 * @param context the most ids of a prompt, 77 for CLIP
 * @throws ModelError if the file is missing or is not a tokenizer
 */
export async function loadTokenizer(folder: string, context: number): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  let model: HuggingFaceTokenizer;
  try {
    model = new HuggingFaceTokenizer(JSON.parse(await readFile(path, 'utf8')), {});
  } catch (error) {
    throw new ModelError(
      `${path} is not a readable tokenizer: ${messageOf(error)}`,
      'put the tokenizer.json of the model there',
      error,
    );
  }
  const specials = [...model.get_added_tokens_decoder().values()]
    .filter(({ special }) => special)
    .map(({ content }) => content);
  return {
    encode(text) {
      const { ids } = model.encode(cleanText(text));
      const truncated = ids.length > context;
      return { ids: truncated ? [...ids.slice(0, context - 1), ids.at(-1) as number] : ids, truncated };
    },
    specialTokenIn: (text) => specials.find((token) => cleanText(text).includes(token)),
  };
}

/**
 * OpenAI's cleaning before the byte-pair encoding: HTML unescaped twice, white space collapsed
 * (openai/CLIP, simple_tokenizer.py). Its first step, ftfy's repair of mis-decoded text, has no counterpart here.
 */
function cleanText(text: string): string {
  return decodeHTML(decodeHTML(text)).replace(PYTHON_SPACE, ' ').trim();
}

/** What `\s` matches in Python: the separators U+001C to U+001F and U+0085 are in it, U+FEFF is not. */
const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;
