import type { Scoring } from './model/description.ts';
import { cosines, sigmoid, softmax, topK, type UnitRows } from './tensor.ts';

/** One label of an image. `logit = logitScale · cosine (+ logitBias)`; the scores of a CLIP add up to 1 over all classes. */
export interface RankedLabel {
  readonly label: string;
  readonly score: number;
  readonly logit: number;
  readonly cosine: number;
  /** Only where every label is decided on its own: it does not hold. */
  readonly reason?: 'threshold';
}

/** Why an image has no label: the background comes first, or the best score is too low, or too near the second. */
export type Reason = 'none' | 'threshold' | 'margin';

/** What an image shows. */
export interface Decision {
  /** The label, or null. */
  readonly label: string | null;
  /** That of the label; where there is none, the best score. */
  readonly score: number;
  /** Why there is no label. */
  readonly reason?: Reason;
  /** Highest score of the background classes; absent if there are none. */
  readonly background?: number;
  /** The best labels, best first. */
  readonly labels: readonly RankedLabel[];
}

/** Unit embeddings of what an image is compared with. */
export interface Classes {
  /** [L, D] */
  readonly labels: UnitRows;
  /** [B, D]; B may be 0 */
  readonly background: UnitRows;
  /** What learnt pictures say; absent for a zero-shot classifier. */
  readonly evidence?: PictureEvidence;
}

/** What the pictures of each class say of an image, compared with a class without pictures, as the background is one. */
export interface PictureEvidence {
  /** How much the zero-shot logits count. */
  readonly words: number;
  /** @param image [D]; @returns [L] logits */
  logits(image: Float32Array): Float64Array;
}

/**
 * `softmax`: shares of all labels and the background, which add up to 1. `sigmoid`: each label on its own.
 * A CLIP is trained for the first, a SigLIP for the second.
 */
export type Activation = 'softmax' | 'sigmoid';

/** The scores of an image. */
export interface Scores {
  /** [L] */
  readonly cosines: Float32Array;
  /** [L] */
  readonly logits: Float64Array;
  /** [L], each in [0, 1] */
  readonly scores: Float64Array;
  /** Highest score of the background classes. */
  readonly background?: number;
}

/**
 * Scores every label for an image: the softmax or the sigmoid of `logitScale · cosine + logitBias`.
 *
 * A CLIP has no bias, for softmax does not need one. For the sigmoid it is set so that the background gets ½:
 * `logitBias = -logitScale · cosine(background)`, with the best background class. Each score is then the softmax over two, the label
 * and the background.
 *
 * A learnt classifier weighs `logitScale · cosine` and adds what its pictures say.
 *
 * @param image [1, D]
 */
export function scoreLabels(
  image: UnitRows,
  { labels, background, evidence }: Classes,
  { logitScale: scale, logitBias }: Scoring,
  activation: Activation,
): Scores {
  const cosine = cosines(image, labels).data;
  const logitScale = scale * (evidence?.words ?? 1);
  const learned = evidence?.logits(image.data);
  const scaled = Float64Array.from(cosine, (c, n) => logitScale * c + (learned?.[n] ?? 0));
  const others = Float64Array.from(cosines(image, background).data, (c) => logitScale * c);
  if (activation === 'softmax') {
    const shares = softmax([...scaled, ...others]);
    return result(cosine, scaled, shares.subarray(0, scaled.length), shares.subarray(scaled.length));
  }
  const bias = logitBias ?? -greatest(others);
  const logits = scaled.map((logit) => logit + bias);
  return result(cosine, logits, sigmoid(logits), sigmoid(others.map((logit) => logit + bias)));
}

function result(cosines: Float32Array, logits: Float64Array, scores: Float64Array, others: Float64Array): Scores {
  return { cosines, logits, scores, ...(others.length > 0 && { background: greatest(others) }) };
}

function greatest(values: Float64Array): number {
  return values.reduce((a, b) => Math.max(a, b));
}

/** What a label must reach. */
export interface Rule {
  readonly names: readonly string[];
  /** [L] */
  readonly thresholds: readonly number[];
  /** The best score less the second, the background's included. */
  readonly minMargin: number;
  /** Whether the background may come first. */
  readonly none: boolean;
  /** Whether several labels may hold. */
  readonly several: boolean;
}

/**
 * The label of an image and its k best labels. Where several may hold, the label is the first that does, and all that do are
 * among the labels, however many.
 */
export function decide(scored: Scores, rule: Rule, k: number): Decision {
  const { scores, background: other } = scored;
  const { names, thresholds } = rule;
  const background = rule.none && other !== undefined ? other : undefined;
  const holds = (n: number) => (scores[n] as number) >= (thresholds[n] as number);
  const shown = topK(scores, rule.several ? Math.max(k, lastRank(scores, holds)) : k);
  const labels = shown.map(({ index, score }) => ({
    label: names[index] as string,
    score,
    logit: scored.logits[index] as number,
    cosine: scored.cosines[index] as number,
    ...(rule.several && !holds(index) && { reason: 'threshold' as const }),
  }));
  const [best, second] = topK(scores, 2);
  const chosen = rule.several ? (shown.find(({ index }) => holds(index)) ?? best) : best;
  const { index = 0, score = 0 } = chosen ?? {};
  const found = { score, labels, ...(background !== undefined && { background }) };
  const no = (reason: Reason): Decision => ({ label: null, reason, ...found });
  if (background !== undefined && background > (best?.score ?? 0)) return no('none');
  if (!holds(index)) return no('threshold');
  if (score - Math.max(second?.score ?? 0, background ?? 0) < rule.minMargin) return no('margin');
  return { label: names[index] as string, ...found };
}

/** How many labels score at least as much as the last that holds. */
function lastRank(scores: Float64Array, holds: (n: number) => boolean): number {
  const lowest = scores.reduce(
    (least, score, n) => (holds(n) && score < least ? score : least),
    Number.POSITIVE_INFINITY,
  );
  return scores.reduce((count, score) => (score >= lowest ? count + 1 : count), 0);
}
