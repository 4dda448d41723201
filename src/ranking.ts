import type { Scoring } from './model/description.ts';
import { cosines, sigmoid, softmax, topK, type UnitRows } from './tensor.ts';

/** One label of an image. `logit = logitScale · cosine (+ logitBias)`; the scores of a CLIP add up to 1 over all labels. */
export interface RankedLabel {
  readonly label: string;
  readonly score: number;
  readonly logit: number;
  readonly cosine: number;
}

/**
 * The k best labels of an image, best first: by the softmax over the labels for a CLIP, by the sigmoid of each for a SigLIP.
 *
 * @param image [1, D]
 * @param labelRows [L, D]
 */
export function rank(
  image: UnitRows,
  labelRows: UnitRows,
  labels: readonly string[],
  { logitScale, logitBias }: Scoring,
  k: number,
): RankedLabel[] {
  const cosine = cosines(image, labelRows).data;
  const logits = Float64Array.from(cosine, (c) => logitScale * c + (logitBias ?? 0));
  const scores = logitBias === undefined ? softmax(logits) : sigmoid(logits);
  return topK(scores, k).map(({ index, score }) => ({
    label: labels[index] as string,
    score,
    logit: logits[index] as number,
    cosine: cosine[index] as number,
  }));
}
