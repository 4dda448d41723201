import { LabelsError } from '../errors.ts';
import { meanOfGroups, stack, type UnitRows } from '../tensor.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { createBreath } from './encoder.ts';
import type { PromptEncoder } from './text-graph.ts';

/** The prompts of each label: one or more texts. */
export type LabelPrompts = readonly (readonly string[])[];

/** Unit text embeddings of labels. */
export interface LabelRows {
  /** [L, D] */
  readonly rows: UnitRows;
  /** The numbers of the labels with a truncated prompt, because it is longer than the context of the model. */
  readonly truncated: readonly number[];
}

/** Labels → unit embeddings. `onPart` is called with each finished part. */
export type LabelEncoder = (prompts: LabelPrompts, onPart?: (part: EncodedPart) => void) => Promise<LabelRows>;

/** Encodes texts for any purpose. */
export interface TextEncoder {
  tokenizer(): Promise<Tokenizer>;
  /** Opens the text graph for as long as it is used. @param prompts how many there will be */
  withTextGraph<T>(use: (encode: PromptEncoder) => Promise<T>, prompts?: number): Promise<T>;
}

/** A part of the labels that has just been encoded. */
export interface EncodedPart {
  /** The number of its first label. */
  readonly first: number;
  readonly rows: UnitRows;
  /** As in {@link LabelRows}. */
  readonly truncated: ReadonlySet<number>;
}

/** The most prompts in progress at once. All other memory is for the rows of the labels. */
const PART_PROMPTS = 8_192;

/**
 * The prompts of each label → unit embeddings → their mean for each label (Radford et al. 2021, section 3.1.4).
 *
 * @param prompts at least one label
 * @param onPart called with each finished part
 * @throws LabelsError if a prompt contains a control token
 */
export async function encodeLabels(
  { tokenizer, withTextGraph }: TextEncoder,
  prompts: LabelPrompts,
  onPart: (part: EncodedPart) => void = () => {},
): Promise<LabelRows> {
  const { tokens, truncated } = await tokenize(await tokenizer(), prompts);
  const parts: UnitRows[] = [];
  await withTextGraph(async (encode) => {
    for (const { first, labels } of partition(tokens)) {
      const sizes = labels.map(({ length }) => length);
      const rows = meanOfGroups(await encode(labels.flat()), sizes);
      parts.push(rows);
      onPart({ first, rows, truncated });
    }
  }, tokens.flat().length);
  return { rows: stack(parts), truncated: [...truncated] };
}

/** The token ids of each prompt of each label. */
type LabelTokens = readonly (readonly (readonly number[])[])[];

async function tokenize(
  tokenizer: Tokenizer,
  prompts: LabelPrompts,
): Promise<{ tokens: LabelTokens; truncated: Set<number> }> {
  const truncated = new Set<number>();
  const tokens: (readonly number[])[][] = [];
  const breathe = createBreath();
  for (const [n, texts] of prompts.entries()) {
    const ofLabel = texts.map((text) => {
      const special = tokenizer.specialTokenIn(text);
      if (special !== undefined)
        throw new LabelsError(`the prompt "${text}" contains the control token ${special}`, 'remove the token');
      const { ids, truncated: cut } = tokenizer.encode(text);
      if (cut) truncated.add(n);
      return ids;
    });
    tokens.push(ofLabel);
    await breathe();
  }
  return { tokens, truncated };
}

function* partition(tokens: LabelTokens): Generator<{ first: number; labels: LabelTokens }> {
  for (let first = 0, end = 0; first < tokens.length; first = end) {
    for (let count = 0; end < tokens.length && count < PART_PROMPTS; end++) count += (tokens[end] ?? []).length;
    yield { first, labels: tokens.slice(first, end) };
  }
}
