import type { Clip } from './clip.ts';
import { doubts } from './embed/doubts.ts';
import { UsageError } from './errors.ts';
import { type Learned, type PictureEvidence, pictureEvidence, requireModel } from './learn/learned.ts';
import { neutralWhereWordless } from './learn/words.ts';
import type { RuleOptions, Rules } from './rules.ts';
import { rowsOf, stack, type UnitRows } from './tensor.ts';
import { labelDoubts } from './text/label-doubts.ts';
import type { LabelTree } from './text/label-tree.ts';
import { expandTemplates, neutralPrompts, promptsOf, templatesAbout } from './text/prompts.ts';

export interface ClassOptions {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** What the labels have in common, such as food: templates then end in ", a type of food". @default none */
  readonly about?: string;
  /** Called for prompts that are too long, for labels that are nearly identical, and for a single label. */
  readonly onWarning?: (message: string) => void;
}

/**
 * `softmax`: the scores of all labels and background classes add up to 1. `sigmoid`: each label is scored independently.
 * CLIP is trained with the softmax, SigLIP with the sigmoid.
 */
export type Activation = 'softmax' | 'sigmoid';

/** What images are compared with: L labels, then B background classes. */
export interface Classes {
  /** [L + B, D] unit text embeddings */
  readonly rows: UnitRows;
  readonly labelCount: number;
  readonly templates: readonly string[];
  readonly logitScale: number;
  /** SigLIP's trained bias; undefined for CLIP. */
  readonly logitBias: number | undefined;
  readonly activation: Activation;
  /** What learned pictures say; undefined for a zero-shot classifier. */
  readonly evidence: PictureEvidence | undefined;
}

/**
 * Labels and background → prompts → unit text embeddings. Warnings are about these.
 *
 * @param learned the learned classifier that the labels come from, if there is one
 * @throws LabelsError if a label or template cannot be used
 */
export async function embedClasses(
  clip: Clip,
  { leaves }: LabelTree,
  rules: Rules,
  options: ClassOptions & RuleOptions,
  learned: Learned | undefined,
): Promise<Classes> {
  const { onWarning } = options;
  const templates =
    learned?.templates ?? templatesAbout(expandTemplates(options.templates ?? ['photo']), options.about);
  // The weights of a learned classifier were chosen for the softmax, even if the model was trained with the sigmoid.
  const logitBias = learned ? undefined : clip.logitBias;
  const activation = rules.multiLabel || logitBias !== undefined ? 'sigmoid' : 'softmax';
  const background = backgroundPrompts(options, activation === 'sigmoid' && logitBias === undefined);
  const names = [...leaves.map(({ label }) => label), ...background.map(([prompt = '']) => prompt)];
  if (leaves.length === 1 && activation === 'softmax' && !rules.hasBackground)
    onWarning?.(`"${names[0]}" is the only label, so every image gets score 1; add labels or \`none\``);

  const prompts = leaves.map((label) => promptsOf(label, templates));
  const encoded = await clip.encodeLabels([...prompts, ...background]);
  if (learned === undefined) {
    for (const doubt of labelDoubts(names.slice(0, leaves.length))) onWarning?.(doubt);
    for (const doubt of doubts(encoded, names, clip.tokens.context)) onWarning?.(doubt);
  }
  const evidence = learned && pictureEvidence(learned);
  return {
    rows: learned ? withNeutralRows(encoded.rows, learned) : encoded.rows,
    labelCount: leaves.length,
    templates,
    logitScale: clip.logitScale * (evidence?.words ?? 1),
    logitBias,
    activation,
    evidence,
  };
}

/** @param rows [L + B, D] */
function withNeutralRows(rows: UnitRows, { labels }: Learned): UnitRows {
  return stack([neutralWhereWordless(rowsOf(rows, 0, labels.length), labels), rowsOf(rows, labels.length)]);
}

/**
 * What is added to `logitScale · cosine`. A CLIP that uses the softmax adds nothing.
 *
 * - A learned classifier adds what its pictures say of each label.
 * - SigLIP adds its trained bias.
 * - CLIP has no bias, so for the sigmoid one is chosen: the best background class gets score ½. The score of a label is then
 *   the softmax of two classes, the label and the background.
 *
 * @param logits [L + B]; @param image [1, D]; @returns [L + B]
 */
export function addBias(
  logits: Float64Array,
  image: UnitRows,
  { labelCount, activation, logitBias, evidence }: Classes,
): Float64Array {
  const learned = evidence?.logits(image.data);
  const sums = learned === undefined ? logits : logits.map((logit, n) => logit + (learned[n] ?? 0));
  if (activation === 'softmax') return sums;
  const bias = logitBias ?? -Math.max(...logits.subarray(labelCount));
  return sums.map((logit) => logit + bias);
}

/** The prompts of each background class. @param isNeeded whether there must be one, even if no option asks for it */
function backgroundPrompts({ none = false, nonePrompts = [] }: RuleOptions, isNeeded: boolean): string[][] {
  const own = nonePrompts.map((prompt) => [prompt]);
  const first = typeof none === 'boolean' || none.length === 0 ? neutralPrompts() : none;
  return none || (isNeeded && own.length === 0) ? [[...first], ...own] : own;
}

/** @throws ModelError or UsageError if the model or the options do not fit a learned classifier */
export async function requireUsable(learned: Learned, clip: Clip, options: ClassOptions & RuleOptions): Promise<void> {
  await requireModel(learned, clip);
  if (options.templates !== undefined || options.about !== undefined)
    throw new UsageError(
      'a learned classifier has its own templates',
      'remove `templates` and `about`, or learn it again with other templates',
    );
  const needsBackground = options.none || options.multiLabel || (options.nonePrompts ?? []).length > 0;
  if (needsBackground && learned.weights.words === 0)
    throw new UsageError(
      'a background class needs words, and this classifier was learned without text',
      'remove `none`, `nonePrompts` and `multiLabel`; `threshold` and `minMargin` work',
    );
}
