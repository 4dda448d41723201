/** The weights of words and pictures: `logit = words · (logitScale · cosine) + pictures · discriminant`. */
export interface Weights {
  /** 1 is the model's own scale; 0 if words are not used. Its inverse is the temperature of the zero-shot scores. */
  readonly words: number;
  readonly pictures: number;
}

/** The scores of labelled pictures. */
export interface Evidence {
  readonly classCount: number;
  /** [N] */
  readonly classes: readonly number[];
  /** [N, C] zero-shot logits; undefined if words are not used. */
  readonly words: Float64Array | undefined;
  /** [N, C] scores of a discriminant that has not seen the picture; a row is undefined if its class has no other picture. */
  readonly pictures: readonly (Float64Array | undefined)[];
}

/**
 * The prior of the weights, relative to the width D: a discriminant assumes D independent directions, and so counts each picture D / 5
 * times too often. If the scores of words are too confident, pictures are expected to have more weight. Measured on six sets with 1 to
 * 3 pictures per class (docs/learning.md).
 */
const DIRECTIONS = 5;
/** The same number if words are not used. */
const DIRECTIONS_ALONE = 15;
/** The standard deviation of the logarithms of both weights. */
const SPREAD = 1;
/** The search ends when a weight changes by less than this share. */
const PRECISION = 0.01;

/**
 * The weights with the lowest log loss of the left-out scores plus the prior (the mode of the posterior). If words fail here, their
 * weight is low, and pictures have more weight from the start. No other temperature is needed, because the weights contain it.
 *
 * @param width D
 */
export function chooseWeights(evidence: Evidence, width: number): Weights {
  const alone = evidence.words === undefined;
  const cost = (words: number, pictures: number) => {
    const expected = Math.log((alone ? DIRECTIONS_ALONE : DIRECTIONS) / width) - (alone ? 0 : Math.min(0, words));
    const surprise = (alone ? 0 : words ** 2) + (pictures - expected) ** 2;
    return lossOf(evidence, { words: Math.exp(words), pictures: Math.exp(pictures) }) + surprise / (2 * SPREAD ** 2);
  };
  const steps = alone ? ALONG.filter(([words]) => words === 0) : ALONG;
  let best = { words: 0, pictures: Math.log((alone ? DIRECTIONS_ALONE : DIRECTIONS) / width), cost: 0 };
  best.cost = cost(best.words, best.pictures);
  for (let step = 1; step > PRECISION; ) {
    const around = steps.map(([a, b]) => ({ words: best.words + a * step, pictures: best.pictures + b * step }));
    const costs = around.map((one) => ({ ...one, cost: cost(one.words, one.pictures) }));
    const next = costs.reduce((a, b) => (b.cost < a.cost ? b : a));
    if (next.cost < best.cost) best = next;
    else step /= 2;
  }
  return { words: alone ? 0 : Math.exp(best.words), pictures: Math.exp(best.pictures) };
}

/** The steps of the search: one weight up or down, or both. */
const ALONG: readonly (readonly [number, number])[] = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [1, 1],
  [-1, -1],
];

/** The logits of one picture. @returns undefined if there are no scores from a classifier that has not seen it */
export function logitsOf(
  { words, pictures, classCount }: Evidence,
  n: number,
  weights: Weights,
): Float64Array | undefined {
  const unseen = pictures[n];
  if (words === undefined && unseen === undefined) return undefined;
  return Float64Array.from(
    { length: classCount },
    (_, c) => weights.words * (words?.[n * classCount + c] ?? 0) + weights.pictures * (unseen?.[c] ?? 0),
  );
}

/** Sum of the log losses. For a picture without other pictures of its class, only words count. */
function lossOf({ classCount, classes, words, pictures }: Evidence, weights: Weights): number {
  const logits = new Float64Array(classCount);
  let total = 0;
  for (let n = 0; n < classes.length; n++) {
    const unseen = pictures[n];
    if (words === undefined && unseen === undefined) continue;
    logits.fill(0);
    if (words !== undefined)
      for (let c = 0; c < classCount; c++) logits[c] = weights.words * (words[n * classCount + c] as number);
    if (unseen !== undefined)
      for (let c = 0; c < classCount; c++) logits[c] = (logits[c] as number) + weights.pictures * (unseen[c] as number);
    total += logLoss(logits, classes[n] as number);
  }
  return total;
}

/** Minus the logarithm of the softmax probability of the true class. */
export function logLoss(logits: ArrayLike<number>, truth: number): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < logits.length; c++) greatest = Math.max(greatest, logits[c] as number);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += Math.exp((logits[c] as number) - greatest);
  return greatest + Math.log(sum) - (logits[truth] as number);
}
