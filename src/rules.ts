import { LabelsError, UsageError } from './errors.ts';
import { type Cut, cutAtLevel, deepestCut, scoresOfCut } from './levels.ts';
import { type Decision, decide, type Rule, type Scores } from './ranking.ts';
import type { LabelTree } from './text/label-tree.ts';
import type { Label } from './text/labels.ts';

/** The threshold of labels that are scored independently: more likely than not. */
const EVEN = 0.5;

export interface RuleOptions {
  /** If labels have parents: the level that is ranked, 1 for labels without a parent. @default the deepest label that reaches its threshold */
  readonly level?: number;
  /**
   * Adds a background class made of neutral prompts, or of these prompts. An image that fits it best gets no label.
   *
   * @default false
   */
  readonly none?: boolean | readonly string[];
  /** Prompts; each becomes a background class of its own. @default [] */
  readonly nonePrompts?: readonly string[];
  /** Minimum score of a label, 0 to 1; a label may have its own. @default 0, with `multiLabel` ½ */
  readonly threshold?: number;
  /** Minimum lead of the best score over the second-best, 0 to 1; with less, `label` is null. @default 0 */
  readonly minMargin?: number;
  /** Scores each label independently, with the sigmoid; an image can have several labels. @default false */
  readonly multiLabel?: boolean;
}

/** How the scores of an image become its label. */
export interface Rules {
  /** The labels that results can have. */
  readonly names: readonly string[];
  readonly hasBackground: boolean;
  readonly multiLabel: boolean;
  /** @param scores of the leaves of the tree; @param top labels to list, best first */
  decide(scores: Scores, top: number): Decision;
}

/** @throws LabelsError or UsageError if an option has no meaning for these labels or contradicts another option */
export function rulesOf(tree: LabelTree, options: RuleOptions): Rules {
  requireSense(tree, options);
  const { none = false, nonePrompts = [], multiLabel = false, minMargin = 0, level } = options;
  const { threshold = multiLabel ? EVEN : 0 } = options;
  const { leaves, nodes } = tree;
  const hasBackground = none !== false || nonePrompts.length > 0;
  const thresholds = nodes.map((label) => label.threshold ?? threshold);
  const fixed = level === undefined ? undefined : cutAtLevel(tree, level);
  const canRise = !multiLabel && leaves.length < nodes.length && thresholds.some((value) => value > 0);
  const namesOf = (cut: Cut) => cut.map((n) => (nodes[n] as Label).label);
  const ruleOf = (cut: Cut): Rule => ({
    names: namesOf(cut),
    thresholds: cut.map((n) => thresholds[n] as number),
    minMargin,
    hasBackground,
    multiLabel,
  });
  const leafRule = ruleOf([...leaves.keys()]);
  return {
    names: namesOf(fixed ?? [...(canRise ? nodes : leaves).keys()]),
    hasBackground,
    multiLabel,
    decide(scores, top) {
      const cut = fixed ?? (canRise ? deepestCut(tree, scores.scores, thresholds) : undefined);
      if (cut === undefined) return decide(scores, leafRule, top);
      return decide(scoresOfCut(scores, tree, cut, multiLabel), ruleOf(cut), top);
    },
  };
}

function requireSense({ leaves, nodes }: LabelTree, options: RuleOptions): void {
  const { nonePrompts = [], multiLabel = false, threshold = 0, minMargin = 0, level } = options;
  for (const [name, value] of Object.entries({ threshold, minMargin })) {
    if (!(value >= 0 && value <= 1)) throw new UsageError(`\`${name}\` is ${value}`, 'use a number from 0 to 1');
  }
  if (nonePrompts.some((prompt) => prompt.trim() === ''))
    throw new LabelsError('a background prompt is empty', 'write a prompt for what else the images might show');
  if (multiLabel && minMargin > 0)
    throw new UsageError(
      '`minMargin` does not work with `multiLabel`, because labels are scored independently',
      'remove one of them',
    );
  if (level === undefined) return;
  if (!(Number.isInteger(level) && level >= 1))
    throw new UsageError(`\`level\` is ${level}`, 'use a whole number from 1');
  if (leaves.length === nodes.length)
    throw new LabelsError(
      'no label has a parent, so there are no levels',
      'remove `level`, or use labels with parents',
    );
}
