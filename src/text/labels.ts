import { LabelsError, oneLine } from '../errors.ts';
import { foldLabel, invisibleIn, trimLabel } from './same-label.ts';

/** What an image might show, and how that is put into words. Labels files have the same fields. */
export interface Label {
  /** The name in results. */
  readonly label: string;
  /**
   * Prompts for this label only, in place of the templates. A text with a placeholder is a template, a text without is used unchanged.
   *
   * @default [] (the templates are used)
   */
  readonly prompts?: readonly string[];
  /** Other words for the label. The embeddings of all prompts are averaged. @default [] */
  readonly aliases?: readonly string[];
  /** Minimum score of this label, 0 to 1. @default the threshold of all labels */
  readonly threshold?: number;
  /** A more general label; its score is the sum of the scores below it. A label with children has no prompts. */
  readonly parent?: string;
}

/**
 * `cat, dog\, wet` → `cat` and `dog, wet`. Line breaks separate labels, too, because `"$(cat kinds.txt)"` contains them.
 *
 * @throws LabelsError if the text is a JSON array, or labels are in quotes: brackets or quotes would become part of the labels
 */
export function splitLabels(list: string): string[] {
  const lines = list.split(/[\r\n]+/u).filter((line, _, all) => all.length === 1 || line.trim() !== '');
  const labels = lines.flatMap((line) => line.split(/(?<!\\),/u).map((label) => label.replaceAll('\\,', ',')));
  if (/^\s*\[.*\]\s*$/su.test(list))
    throw new LabelsError(
      'the labels are a JSON array with brackets',
      'write cat,dog, or put the array into a .json file',
    );
  const quoted = labels
    .map((label) => label.trim())
    .find((label) => /^(["'`]).+\1$/u.test(label) || /^[“„«].+[”“»]$/u.test(label));
  if (quoted !== undefined || /^\s*'.*'\s*$/u.test(list))
    throw new LabelsError(`the label ${quoted ?? list.trim()} is in quotes`, 'remove the quotes');
  return labels;
}

/**
 * Trims the labels and refuses labels that cannot be ranked. A parent that is not in the list is added at its end.
 *
 * @throws LabelsError if there is no label, or if a label or alias is empty or occurs twice (ignoring case and Unicode form)
 */
export function checkLabels(given: readonly (string | Label)[]): Label[] {
  const labels = withParents(given.map((one) => trimmed(typeof one === 'string' ? { label: one } : one)));
  if (labels.length === 0) throw new LabelsError('there are no labels', 'set `labels`, for example cat,dog');
  const seen = new Map<string, string>();
  for (const [n, { label, prompts = [], aliases = [], threshold = 0 }] of labels.entries()) {
    if (label === '')
      throw new LabelsError(`label ${n + 1} of ${labels.length} is empty`, 'remove the extra comma or quotes');
    const hidden = invisibleIn(label);
    if (hidden !== undefined)
      throw new LabelsError(`the label "${label}" contains the invisible character ${hidden}`, 'remove the character');
    const same = seen.get(foldLabel(label));
    if (same !== undefined) {
      const pair = same === label ? `"${label}" is listed twice` : `"${same}" and "${label}" are the same label`;
      throw new LabelsError(oneLine(pair), 'remove one of them');
    }
    seen.set(foldLabel(label), label);
    if (prompts.includes('') || aliases.includes(''))
      throw new LabelsError(`the label "${label}" has an empty prompt or alias`, 'write a text, or remove it');
    if (!(threshold >= 0 && threshold <= 1))
      throw new LabelsError(`the threshold of label "${label}" is ${threshold}`, 'use a number from 0 to 1');
  }
  for (const { label, aliases = [] } of labels) {
    const taken = aliases.find((alias) => (seen.get(foldLabel(alias)) ?? label) !== label);
    if (taken !== undefined)
      throw new LabelsError(`"${taken}" is both a label and an alias of "${label}"`, 'remove one of them');
  }
  return labels;
}

/** The labels, and the parents that are not in the list. A parent is spelled as its own entry in the list. */
function withParents(labels: readonly Label[]): Label[] {
  const names = new Map(labels.map(({ label }) => [foldLabel(label), label]));
  const added: Label[] = [];
  for (const { parent } of labels) {
    if (parent === undefined || names.has(foldLabel(parent))) continue;
    names.set(foldLabel(parent), parent);
    added.push({ label: parent });
  }
  const spelled = labels.map((one) =>
    one.parent === undefined ? one : { ...one, parent: names.get(foldLabel(one.parent)) as string },
  );
  return [...spelled, ...added];
}

function trimmed({ label, prompts, aliases, parent, ...rest }: Label): Label {
  return {
    label: trimLabel(label),
    ...(parent !== undefined && { parent: trimLabel(parent) }),
    ...(prompts && { prompts: prompts.map((prompt) => prompt.trim()) }),
    ...(aliases && { aliases: aliases.map((alias) => alias.trim()) }),
    ...rest,
  };
}
