import { topK } from './tensor.ts';

/** One label of an image. `logit = logitScale · cosine (+ logitBias)`. */
export interface RankedLabel {
  readonly label: string;
  /** In [0, 1]. With the softmax, the scores of all labels and background classes add up to 1. */
  readonly score: number;
  readonly logit: number;
  readonly cosine: number;
  /** With `multiLabel` only: the score is below the threshold of the label. */
  readonly reason?: 'threshold';
}

/** Why an image has no label: a background class has the best score, or the best score is too low, or its lead is too small. */
export type Reason = 'none' | 'threshold' | 'margin';

/** What an image shows. */
export interface Decision {
  /** The label, or null. */
  readonly label: string | null;
  /** The score of `label`. The best score if `label` is null. */
  readonly score: number;
  /** Why `label` is null. */
  readonly reason?: Reason;
  /** Highest score of the background classes. Absent if there are none. */
  readonly background?: number;
  /** The best labels, best first. */
  readonly labels: readonly RankedLabel[];
}

/** The scores of an image. */
export interface Scores {
  /** [L] */
  readonly cosines: Float32Array;
  /** [L] */
  readonly logits: Float64Array;
  /** [L], each in [0, 1] */
  readonly scores: Float64Array;
  /** Highest score of the background classes. Absent if there are none. */
  readonly background?: number;
}

/** What a label needs to be accepted. */
export interface Rule {
  readonly names: readonly string[];
  /** [L] */
  readonly thresholds: readonly number[];
  /** Minimum lead of the best score over the second-best; the background counts as a label here. */
  readonly minMargin: number;
  /** Whether an image has no label if the background has the best score. */
  readonly hasBackground: boolean;
  /** Whether several labels can be accepted. */
  readonly multiLabel: boolean;
}

/**
 * The k best labels of an image, and whether the best of them is accepted. With `multiLabel`, the label is the best one that
 * reaches its threshold, and every label that does is listed, even beyond k.
 */
export function decide(scored: Scores, rule: Rule, k: number): Decision {
  const { scores } = scored;
  const { names, thresholds, multiLabel } = rule;
  const background = rule.hasBackground ? scored.background : undefined;
  const isAccepted = (n: number) => (scores[n] as number) >= (thresholds[n] as number);
  const shown = topK(scores, multiLabel ? Math.max(k, lastRank(scores, isAccepted)) : k);
  const labels = shown.map(({ index, score }) => ({
    label: names[index] as string,
    score,
    logit: scored.logits[index] as number,
    cosine: scored.cosines[index] as number,
    ...(multiLabel && !isAccepted(index) && { reason: 'threshold' as const }),
  }));
  const [best, second] = topK(scores, 2);
  const chosen = multiLabel ? (shown.find(({ index }) => isAccepted(index)) ?? best) : best;
  const { index = 0, score = 0 } = chosen ?? {};
  const found = { score, labels, ...(background !== undefined && { background }) };
  const no = (reason: Reason): Decision => ({ label: null, reason, ...found });
  if (background !== undefined && background > (best?.score ?? 0)) return no('none');
  if (!isAccepted(index)) return no('threshold');
  if (score - Math.max(second?.score ?? 0, background ?? 0) < rule.minMargin) return no('margin');
  return { label: names[index] as string, ...found };
}

/** The rank of the last accepted label; 0 if there is none. */
function lastRank(scores: Float64Array, isAccepted: (n: number) => boolean): number {
  const lowest = scores.reduce(
    (least, score, n) => (isAccepted(n) && score < least ? score : least),
    Number.POSITIVE_INFINITY,
  );
  return scores.reduce((count, score) => (score >= lowest ? count + 1 : count), 0);
}
