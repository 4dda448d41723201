import { calibrate } from './calibrate.ts';
import type { Judged } from './evaluate.ts';

/** The result of a classifier for one image, in a few small values. */
export interface Prediction {
  /** The path relative to the folder, or the path in the CSV. It stays the same if the folder is moved. */
  readonly key: string;
  readonly image: string;
  readonly truth: string;
  /** Null if the image got no label. */
  readonly predicted: string | null;
  /** The label with the best score, accepted or not. */
  readonly first: string;
  readonly score: number;
  /** The best score minus the second-best. */
  readonly margin: number;
}

/** Passes results on and keeps a record of about 200 bytes for each image. */
export async function* keepPredictions<T extends Judged & { readonly key: string }>(
  judged: AsyncIterable<T>,
  kept: Prediction[],
): AsyncGenerator<T> {
  for await (const one of judged) {
    const { result, truth, key } = one;
    const [best, second] = result.ok ? result.labels : [];
    if (result.ok && best !== undefined) {
      const { image, label: predicted } = result;
      const margin = best.score - (second?.score ?? 0);
      kept.push({ key, image, truth, predicted, first: best.label, score: best.score, margin });
    }
    yield one;
  }
}

/** The effect of a threshold, below which an image gets no label. */
export interface CoveragePoint {
  readonly threshold: number;
  /** Share of the images that get a label. */
  readonly coverage: number;
  /** Share of these labels that are right. */
  readonly precision: number;
}

/** Points of the curve. More points would not be visible. */
const MOST_POINTS = 200;

/** Precision over coverage, from the highest threshold to the lowest. Images with the same score share a point. */
export function coverageCurve(predictions: readonly Prediction[]): CoveragePoint[] {
  const sorted = [...predictions].sort((a, b) => b.score - a.score);
  const points: CoveragePoint[] = [];
  let right = 0;
  for (const [n, { first, truth, score }] of sorted.entries()) {
    if (first === truth) right++;
    if (sorted[n + 1]?.score === score) continue;
    points.push({ threshold: score, coverage: (n + 1) / sorted.length, precision: right / (n + 1) });
  }
  const step = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, n) => n % step === 0 || n === points.length - 1);
}

/** The point of the curve that `calibrate` chooses for a target precision; null if no threshold reaches it. */
export async function calibratedPoint(
  predictions: readonly Prediction[],
  target: number,
): Promise<CoveragePoint | null> {
  async function* judged() {
    for (const { key, image, truth, first, score, margin } of predictions) {
      const labels = [
        { label: first, score },
        { label: '', score: score - margin },
      ];
      yield { result: { ok: true, image, label: first, labels } as const, truth, key };
    }
  }
  const { threshold } = await calibrate(judged(), [], target);
  if (threshold.value === null) return null;
  const answered = predictions.filter(({ score }) => score >= (threshold.value as number));
  const right = answered.filter(({ first, truth }) => first === truth);
  return {
    threshold: threshold.value,
    coverage: answered.length / predictions.length,
    precision: right.length / answered.length,
  };
}

/** Two runs on the same images. */
export interface Comparison {
  /** Images that are in both runs with the same true label. */
  readonly images: number;
  readonly bothRight: number;
  readonly onlyThisRight: number;
  readonly onlyOtherRight: number;
  readonly bothWrong: number;
  /** p-value: the chance of a difference at least this large if both runs were equally good. */
  readonly p: number;
}

/** The result of an earlier run for an image. */
export type Earlier = Pick<Prediction, 'key' | 'truth' | 'predicted'>;

/** Counts on which images each run is right, and tests the difference (McNemar 1947, exact form). */
export function compareRuns(now: readonly Earlier[], other: readonly Earlier[]): Comparison {
  const known = new Map(other.map((one) => [one.key, one]));
  const counts = { bothRight: 0, onlyThisRight: 0, onlyOtherRight: 0, bothWrong: 0 };
  let images = 0;
  for (const { key, truth, predicted } of now) {
    const before = known.get(key);
    if (before === undefined || before.truth !== truth) continue;
    images++;
    const [here, there] = [predicted === truth, before.predicted === truth];
    counts[here ? (there ? 'bothRight' : 'onlyThisRight') : there ? 'onlyOtherRight' : 'bothWrong']++;
  }
  return { images, ...counts, p: mcnemar(counts.onlyThisRight, counts.onlyOtherRight) };
}

/** The two-sided binomial test of a fair coin: the chance of a split at least as uneven as `a` to `b`. */
export function mcnemar(a: number, b: number): number {
  const tosses = a + b;
  let [term, sum] = [-tosses * Math.LN2, 0]; // the logarithm of the chance of k heads, beginning with none
  for (let k = 0; k <= Math.min(a, b); k++) {
    sum += Math.exp(term);
    term += Math.log((tosses - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}
