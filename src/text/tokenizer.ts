import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import type { TextPooling, TextTowerConfig } from '../checkpoint/architecture.ts';
import { ModelError, messageOf } from '../errors.ts';
import { type Cleaning, cleanerOf } from './cleaning.ts';
import { type SpecialToken, specialToken } from './special-tokens.ts';
import { readTokenizer } from './tokenizer-files.ts';

/** The token ids of one prompt, start and end of text included. */
export interface Tokens {
  readonly ids: readonly number[];
  /** Whether the text had more tokens than the context, and was truncated. The end-of-text token stays. */
  readonly truncated: boolean;
}

/** Text → token ids for a text encoder. */
export interface Tokenizer {
  encode(text: string): Tokens;
  /** The special token that a text contains, if any: it would end or start the prompt in the middle. */
  specialTokenIn(text: string): string | undefined;
  /** Whether a pattern of the tokenizer is unusual: matching it may never end. */
  readonly isForeign: boolean;
}

/** The text encoder that the tokens are for, and how its library prepares texts. */
export interface TextShape extends Pick<TextTowerConfig, 'context' | 'vocabulary' | 'pooling'> {
  readonly cleaning: Cleaning;
  readonly padding: Padding;
  /** open_clip's CLIPA: the separator of BERT becomes id 0. */
  readonly separator?: 'stripped';
}

/**
 * How a prompt that is shorter than the context is padded: not at all, by one token, or to the context. `id` is the padding token;
 * `pad_token` is that of the tokenizer. Only an encoder that reads tokens behind the prompt needs padding.
 */
export type Padding =
  | 'none'
  | { readonly to: 'one more token'; readonly id: number }
  | {
      readonly to: 'context';
      readonly id: number | 'pad_token';
      readonly side: 'left' | 'right';
      /** Whether other tokens attend to the padding. If not, its ids are {@link masked}. */
      readonly seen: boolean;
    };

/** Marks the id of a padding token that no other token attends to: `-1 - id` is negative, and an id never is. Also removes the mark. */
export function masked(id: number): number {
  return -1 - id;
}

/**
 * Opens the tokenizer of a model folder.
 *
 * @throws ModelError if the file is missing, is not a tokenizer, or has more tokens than the model
 */
export async function loadTokenizer(folder: string, shape: TextShape): Promise<Tokenizer> {
  const { context, vocabulary } = shape;
  // If all labels are cached, neither package is loaded.
  const [{ Tokenizer: Model }, { decodeHTML }, { path, json }] = await Promise.all([
    import('@huggingface/tokenizers'),
    import('entities'),
    readTokenizer(folder),
  ]);
  let model: HuggingFaceTokenizer;
  let isForeign: boolean;
  try {
    checkVocabulary(json);
    const { normalizer, pre_tokenizer: split } = Object(json);
    isForeign = ![...patternsIn(normalizer), ...patternsIn(split)].every(isUsual);
    model = new Model(Object(json), {});
  } catch (error) {
    throw new ModelError(`${path} is not a readable tokenizer: ${messageOf(error)}`, mend, error);
  }
  const greatest = [...model.get_vocab().values()].reduce((a, b) => Math.max(a, b), 0);
  if (greatest >= vocabulary) {
    throw new ModelError(`${path} has the token id ${greatest}, but the model has a vocabulary of ${vocabulary}`, mend);
  }
  checkEnd(model, path, shape);
  const specials = [...model.get_added_tokens_decoder().values()]
    .filter(({ special }) => special)
    .map(({ content }) => content);
  const clean = cleanerOf(shape.cleaning, decodeHTML);
  const pad = await padder(folder, model, shape);
  const strip = shape.separator === undefined ? undefined : await tokenId(folder, model, 'sep_token');
  return {
    encode(text) {
      const { ids } = model.encode(clean(text));
      const truncated = ids.length > context;
      const whole = pad(truncated ? [...ids.slice(0, context - 1), ids.at(-1) as number] : ids);
      return { ids: strip === undefined ? whole : whole.map((id) => (id === strip ? 0 : id)), truncated };
    },
    specialTokenIn: (text) => specials.find((token) => clean(text).includes(token)),
    isForeign,
  };
}

/** The pattern of OpenAI's CLIP (openai/CLIP, simple_tokenizer.py) in the form of tokenizer.json. */
const CLIP_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** transformers puts these tokens before the pattern. */
const CONTROL_TOKENS = '<\\|startoftext\\|>|<\\|endoftext\\|>|';

/** A pattern without groups and alternatives, and with at most one quantifier, takes at most quadratic time. */
function isUsual(pattern: string): boolean {
  if (pattern.replace(CONTROL_TOKENS, '') === CLIP_PATTERN) return true;
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

/** CLIP reads a prompt at its end-of-text token. A tokenizer that does not append it would make all labels alike. */
function checkEnd(model: HuggingFaceTokenizer, path: string, { vocabulary, pooling }: TextShape): void {
  let ids: readonly unknown[];
  try {
    ids = model.encode(PROBE).ids;
  } catch (error) {
    throw new ModelError(`${path} cannot encode "${PROBE}": ${messageOf(error)}`, mend, error);
  }
  const [end] = ids.slice(-1);
  const whole = ids.every((id) => typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabulary);
  if (ids.length > 0 && whole && endsRightly(ids, end, pooling)) return;
  const ends: Partial<Record<TextPooling['at'], string>> = {
    'end of text': `the end of text ${'id' in pooling ? pooling.id : ''}`,
    'greatest id': 'the greatest of all ids',
  };
  const wanted = pooling.at in ends ? `, and ${ends[pooling.at]} at the end` : '';
  throw new ModelError(
    `${path} makes [${ids.join(', ')}] of "${PROBE}", but the model needs ids below ${vocabulary}${wanted}`,
    mend,
  );
}

function endsRightly(ids: readonly unknown[], end: unknown, pooling: TextPooling): boolean {
  if (pooling.at === 'end of text') return end === pooling.id;
  if (pooling.at === 'greatest id') return ids.slice(0, -1).every((id) => Number(id) < Number(end));
  return true;
}

const mend = 'copy the tokenizer.json of the model into the folder';

async function padder(
  folder: string,
  model: HuggingFaceTokenizer,
  { context, padding }: TextShape,
): Promise<(ids: readonly number[]) => readonly number[]> {
  if (padding === 'none') return (ids) => ids;
  const id = padding.id === 'pad_token' ? await tokenId(folder, model, 'pad_token') : padding.id;
  if (padding.to === 'one more token') return (ids) => (ids.length < context ? [...ids, id] : ids);
  const filler = padding.seen ? id : masked(id);
  return (ids) => {
    const fill = Array<number>(context - ids.length).fill(filler);
    return padding.side === 'left' ? [...fill, ...ids] : [...ids, ...fill];
  };
}

/** @throws ModelError if the tokenizer's files do not name the token, or the vocabulary does not contain it */
async function tokenId(folder: string, model: HuggingFaceTokenizer, field: SpecialToken): Promise<number> {
  const name = await specialToken(folder, field);
  const id = name === undefined ? undefined : model.token_to_id(name);
  if (id !== undefined) return id;
  throw new ModelError(
    `${field} in tokenizer_config.json (${folder}) is ${JSON.stringify(name)}, which is not a token`,
    'copy the tokenizer_config.json of the model into the folder',
  );
}

/** Ids become array indices: an id of a billion would take the memory of a billion entries (CWE-770). */
const MOST_IDS = 10_000_000;

/** @throws TypeError if a tokenizer has no tokens, or a token has an id that is too large for any model */
function checkVocabulary(json: unknown): void {
  const { model, added_tokens: added } = Object(json);
  const vocabulary: Record<string, unknown> = Object(Object(model).vocab);
  const ids = Object.values(vocabulary);
  if (ids.length === 0) throw new TypeError('its vocabulary is empty');
  for (const token of Array.isArray(added) ? added : []) ids.push(Object(token).id);
  const wrong = ids.find((id) => typeof id === 'number' && !(Number.isInteger(id) && id >= 0 && id < MOST_IDS));
  if (wrong !== undefined) throw new TypeError(`a token has the id ${wrong}`);
}
