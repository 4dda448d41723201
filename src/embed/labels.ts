import { LabelsError } from '../errors.ts';
import { meanOfGroups, type UnitRows } from '../tensor.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Unit text embeddings of labels. */
export interface LabelRows {
  /** [L, D] */
  readonly rows: UnitRows;
  /** The labels, by number, of which a prompt is longer than the model's context: its end is cut off. */
  readonly truncated: readonly number[];
}

/** Texts → unit embeddings, without a thought for what they are for. */
export interface TextEncoder {
  tokenizer(): Promise<Tokenizer>;
  /** @param prompts P prompts as token ids; @returns [P, D] */
  encodeTexts(prompts: readonly (readonly number[])[]): Promise<UnitRows>;
}

/**
 * The prompts of each label → unit embeddings → their mean for each label (Radford et al. 2021, section 3.1.4).
 *
 * @param prompts of each label one or more texts, as they are to be read
 * @throws LabelsError if a prompt spells out a control token
 */
export async function encodeLabels(encoder: TextEncoder, prompts: readonly (readonly string[])[]): Promise<LabelRows> {
  const tokenizer = await encoder.tokenizer();
  const truncated: number[] = [];
  const tokens = prompts.flatMap((texts, n) => {
    const encoded = texts.map((text) => {
      const special = tokenizer.specialTokenIn(text);
      if (special === undefined) return tokenizer.encode(text);
      throw new LabelsError(`the prompt "${text}" holds the control token ${special}`, 'leave it out');
    });
    if (encoded.some((one) => one.truncated)) truncated.push(n);
    return encoded.map(({ ids }) => ids);
  });
  const rows = await encoder.encodeTexts(tokens);
  return {
    rows: meanOfGroups(
      rows,
      prompts.map(({ length }) => length),
    ),
    truncated,
  };
}
