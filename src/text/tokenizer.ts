import { join } from 'node:path';
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import type { TextPooling, TextTower } from '../checkpoint/architecture.ts';
import { readModelJson } from '../checkpoint/config.ts';
import { readModelText } from '../checkpoint/model-file.ts';
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
  /** A pattern of it is not one of the usual ones: matching it may take for ever. */
  readonly isForeign: boolean;
}

/** The text tower that the tokens are for. */
export type TextShape = Pick<TextTower, 'context' | 'vocabulary' | 'pooling'>;

/**
 * Opens `tokenizer.json` of a model folder.
 *
 * @throws ModelError if the file is missing, is not a tokenizer, or has more tokens than the model
 */
export async function loadTokenizer(folder: string, { context, vocabulary, pooling }: TextShape): Promise<Tokenizer> {
  const path = join(folder, 'tokenizer.json');
  // Where all labels are known already, neither package is loaded.
  const [{ Tokenizer: Model }, { decodeHTML }] = await Promise.all([
    import('@huggingface/tokenizers'),
    import('entities'),
  ]);
  const text = await readModelText(path, 'copy the tokenizer.json of the model into the folder');
  let model: HuggingFaceTokenizer;
  let isForeign: boolean;
  try {
    const json: unknown = JSON.parse(text);
    checkVocabulary(json);
    const { normalizer, pre_tokenizer: split } = Object(json);
    isForeign = ![...patternsIn(normalizer), ...patternsIn(split)].every(isUsual);
    model = new Model(Object(json), {});
  } catch (error) {
    throw new ModelError(
      `${path} is not a readable tokenizer: ${messageOf(error)}`,
      'copy the tokenizer.json of the model into the folder',
      error,
    );
  }
  const greatest = [...model.get_vocab().values()].reduce((a, b) => Math.max(a, b), 0);
  if (greatest >= vocabulary) {
    throw new ModelError(
      `${path} has the token id ${greatest}, but the model has a vocabulary of ${vocabulary}`,
      'copy the tokenizer.json of the model into the folder',
    );
  }
  checkEnd(model, path, vocabulary, pooling);
  const specials = [...model.get_added_tokens_decoder().values()]
    .filter(({ special }) => special)
    .map(({ content }) => content);
  const siglip = pooling.at === 'last token';
  const clean = siglip
    ? vocabulary === SIGLIP_1_VOCABULARY
      ? cleanForSiglip
      : cleanForSiglip2
    : isBert(pooling)
      ? collapse
      : cleanForClip(decodeHTML);
  const padding = siglip ? await paddingId(folder, model) : undefined;
  return {
    encode(text) {
      const { ids } = model.encode(clean(text));
      const truncated = ids.length > context;
      const kept = truncated ? [...ids.slice(0, context - 1), ids.at(-1) as number] : ids;
      if (padding === undefined) return { ids: kept, truncated };
      return { ids: [...kept, ...Array<number>(context - kept.length).fill(padding)], truncated };
    },
    specialTokenIn: (text) => specials.find((token) => clean(text).includes(token)),
    isForeign,
  };
}

/** The pattern of OpenAI's CLIP (openai/CLIP, simple_tokenizer.py), as tokenizer.json has it. */
const CLIP_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** A pattern without groups and alternatives, and with one quantifier at most, takes no more than quadratic time. */
function isUsual(pattern: string): boolean {
  if (pattern === CLIP_PATTERN) return true;
  const bare = pattern.replace(/\\p?\{[^}]*\}|\\./gu, 'x').replace(/\[[^\]]*\]/gu, 'x');
  return !/[()|]/u.test(bare) && (bare.match(/[*+?{]/gu) ?? []).length <= 1;
}

/** The regular expressions in a part of tokenizer.json: `{"Regex": "…"}`, at any depth. */
function* patternsIn(part: unknown): Generator<string> {
  if (typeof part !== 'object' || part === null) return;
  for (const [key, value] of Object.entries(part)) {
    if (key === 'Regex' && typeof value === 'string') yield value;
    else yield* patternsIn(value);
  }
}

/** Letters, a digit and a sign. */
const PROBE = 'a photo of 1 dog!';

/** The tower reads a prompt where its end of text is: a tokenizer that does not put it there would make all labels alike. */
function checkEnd(model: HuggingFaceTokenizer, path: string, vocabulary: number, pooling: TextPooling): void {
  let ids: readonly unknown[];
  try {
    ids = model.encode(PROBE).ids;
  } catch (error) {
    throw new ModelError(`${path} cannot encode "${PROBE}": ${messageOf(error)}`, mend, error);
  }
  const [end] = ids.slice(-1);
  const whole = ids.every((id) => typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary);
  const last =
    pooling.at === 'last token' ||
    isBert(pooling) ||
    (pooling.at === 'end of text' ? end === pooling.id : ids.slice(0, -1).every((id) => Number(id) < Number(end)));
  if (ids.length > 0 && whole && last) return;
  const wanted = pooling.at === 'end of text' ? `, and the end of text ${pooling.id} at the end` : '';
  throw new ModelError(
    `${path} makes [${ids.join(', ')}] of "${PROBE}", where the model wants ids below ${vocabulary}${wanted}`,
    mend,
  );
}

const mend = 'copy the tokenizer.json of the model into the folder';

/** A BERT's tokenizer.json says itself how a text is cleaned, and its tower does not read a prompt at its end. */
function isBert({ at }: TextPooling): boolean {
  return at === 'class token' || at === 'mean';
}

/** A SigLIP sees its padding, so it must be the one of its training: `pad_token` of tokenizer_config.json. */
async function paddingId(folder: string, model: HuggingFaceTokenizer): Promise<number> {
  const { pad_token: token } = await readModelJson(folder, 'tokenizer_config.json');
  const content = typeof token === 'object' && token !== null && 'content' in token ? token.content : token;
  const id = typeof content === 'string' ? model.token_to_id(content) : undefined;
  if (id !== undefined) return id;
  throw new ModelError(
    `pad_token in tokenizer_config.json (${folder}) is ${JSON.stringify(token)}, which is not a token`,
    'copy the tokenizer_config.json of the model into the folder',
  );
}

/**
 * OpenAI's cleaning before the byte-pair encoding: HTML unescaped twice, white space collapsed
 * (openai/CLIP, simple_tokenizer.py). Its first step, ftfy's repair of mis-decoded text, has no counterpart here.
 */
function cleanForClip(decode: (html: string) => string): (text: string) => string {
  return (text) => collapse(decode(decode(text)));
}

/** Of the two SigLIPs the first, with 32,000 tokens, was trained without punctuation. */
const SIGLIP_1_VOCABULARY = 32_000;

/** Lower case, no ASCII punctuation (google-research/big_vision, pp/ops_text.py: canonicalize). */
function cleanForSiglip(text: string): string {
  return collapse(text.toLowerCase().replace(/[!-/:-@[-`{-~]/gu, ''));
}

/** Lower case. */
function cleanForSiglip2(text: string): string {
  return collapse(text.toLowerCase());
}

function collapse(text: string): string {
  return text.replace(PYTHON_SPACE, ' ').trim();
}

/** What `\s` matches in Python: the separators U+001C to U+001F and U+0085 are in it, U+FEFF is not. */
const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;

/** Ids become places in a list: one of a billion would take the memory of a billion (CWE-770). */
const MOST_IDS = 10_000_000;

/** @throws TypeError if a tokenizer knows no word, or a token has an id that no model has */
function checkVocabulary(json: unknown): void {
  const { model, added_tokens: added } = Object(json);
  const vocabulary: Record<string, unknown> = Object(Object(model).vocab);
  const ids = Object.values(vocabulary);
  if (ids.length === 0) throw new TypeError('its vocabulary is empty');
  for (const token of Array.isArray(added) ? added : []) ids.push(Object(token).id);
  const wrong = ids.find((id) => typeof id === 'number' && !(Number.isInteger(id) && id >= 0 && id < MOST_IDS));
  if (wrong !== undefined) throw new TypeError(`a token has the id ${wrong}`);
}
