import { LabelsError } from '../errors.ts';
import { meanOfGroups, type UnitRows } from '../tensor.ts';
import { fillTemplate } from '../text/prompts.ts';
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
 * Labels × templates → prompts → unit embeddings → their mean for each label (Radford et al. 2021, section 3.1.4).
 *
 * @throws LabelsError if a prompt spells out a control token
 */
export async function encodeLabels(
  encoder: TextEncoder,
  labels: readonly string[],
  templates: readonly string[],
): Promise<LabelRows> {
  const tokenizer = await encoder.tokenizer();
  const truncated: number[] = [];
  const prompts = labels.flatMap((label, n) => {
    const tokens = templates.map((template) => {
      const prompt = fillTemplate(template, label);
      const special = tokenizer.specialTokenIn(prompt);
      if (special === undefined) return tokenizer.encode(prompt);
      throw new LabelsError(`the prompt "${prompt}" holds the control token ${special}`, 'leave it out');
    });
    if (tokens.some((one) => one.truncated)) truncated.push(n);
    return tokens.map(({ ids }) => ids);
  });
  return { rows: meanOfGroups(await encoder.encodeTexts(prompts), templates.length), truncated };
}
