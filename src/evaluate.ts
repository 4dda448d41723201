import type { ImageError, ImageErrorCode } from './errors.ts';

/** The result of a classifier for an image, and the true label. */
export interface Judged {
  readonly result: Answered | Unreadable;
  readonly truth: string;
}

/** The fields of an `ImageResult` that matter here: its label, or null, and the best labels, best first. */
interface Answered {
  readonly ok: true;
  readonly image: string;
  readonly pathBytes?: Uint8Array;
  readonly label: string | null;
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

interface Unreadable {
  readonly ok: false;
  readonly image: string;
  readonly error: ImageError;
}

/** The figures of one class. */
export interface ClassFigures {
  readonly label: string;
  /** Images that show this class and could be read. */
  readonly images: number;
  /** Images that got this label. */
  readonly predicted: number;
  /** Images that show this class and got this label. */
  readonly right: number;
  /** `right / images`; null if no image shows it. */
  readonly recall: number | null;
  /** `right / predicted`; null if no image got this label. */
  readonly precision: number | null;
}

/** How many images of one class got one label; null stands for no label. Right labels are included. */
export interface ConfusionCell {
  readonly truth: string;
  readonly predicted: string | null;
  readonly images: number;
}

/** The images whose best score is in (from, to]. The first bin also contains 0. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly images: number;
  /** Share of these images whose best label is right; null if there are no images. */
  readonly accuracy: number | null;
  /** Mean of the best scores of these images. */
  readonly confidence: number | null;
}

/** An image that got a wrong label. */
export interface Mistake {
  readonly image: string;
  /** The path as bytes, if it is not valid UTF-8 and so `image` cannot contain it. */
  readonly pathBytes?: Uint8Array;
  readonly truth: string;
  readonly predicted: string;
  readonly score: number;
}

/** An image that could not be read. */
export interface Failure {
  readonly image: string;
  readonly truth: string;
  readonly code: ImageErrorCode;
  readonly message: string;
}

/** All figures are about the images that could be read. `failed` counts the others. */
export interface Evaluation {
  readonly labels: readonly string[];
  readonly images: number;
  readonly failed: number;
  /** Images that got no label because of a threshold, a margin or the background. */
  readonly refused: number;
  /** Share of images that got the right label. Like the other shares, it is null if no image could be read. */
  readonly top1: number | null;
  /** Share of right labels among the images that got a label; null if none did. */
  readonly precision: number | null;
  /** Share of images with the right label among the best five, accepted or not. */
  readonly top5: number | null;
  /** Mean of the recalls of the classes that have images. */
  readonly meanPerClassRecall: number | null;
  /**
   * Expected calibration error: mean distance of accuracy and confidence over the bins, weighted by their images. The best label
   * counts, accepted or not, because this figure is about the scores.
   */
  readonly ece: number | null;
  readonly classes: readonly ClassFigures[];
  /** The cells that are not 0, in label order. */
  readonly confusion: readonly ConfusionCell[];
  readonly bins: readonly ReliabilityBin[];
  /** The mistakes with the highest scores, highest first. */
  readonly mistakes: readonly Mistake[];
  /** The first 1,000 failures. */
  readonly failures: readonly Failure[];
}

/** Equal-width bins of the calibration error (Guo et al. 2017). */
const BINS = 15;
/** The most mistakes and failures that are kept, so that memory does not grow with the number of images. */
const KEPT_MISTAKES = 24;
const KEPT_FAILURES = 1_000;

/**
 * Compares results with the true labels. Each result needs its five best labels. Memory does not grow with the number of images.
 *
 * @param judged `ImageResult`s, each with its true label
 * @param labels the labels of the classifier, in its order; every true label is one of them
 * @throws RangeError if a true label is not one of them
 */
export async function evaluate(judged: AsyncIterable<Judged>, labels: readonly string[]): Promise<Evaluation> {
  const cells = new Map<number, number>(); // truth · (L + 1) + predicted → images; column L is for no label
  const index = new Map(labels.map((label, n) => [label, n]));
  const numberOf = (label: string) => {
    const number = index.get(label);
    if (number === undefined) throw new RangeError(`${JSON.stringify(label)} is not one of the labels`);
    return number;
  };
  const columns = labels.length + 1;
  const bins = Array.from({ length: BINS }, () => ({ images: 0, right: 0, confidence: 0 }));
  const mistakes: Mistake[] = [];
  const failures: Failure[] = [];
  let [images, failed, refused, right, inTop5] = [0, 0, 0, 0, 0];

  for await (const { result, truth } of judged) {
    const { image } = result;
    if (!result.ok) {
      failed++;
      keepFailure(failures, image, truth, result.error);
      continue;
    }
    const [best] = result.labels;
    if (best === undefined) continue;
    images++;
    const { label: predicted, pathBytes } = result;
    const { score } = best;
    const cell = numberOf(truth) * columns + (predicted === null ? labels.length : numberOf(predicted));
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
    if (result.labels.slice(0, 5).some(({ label }) => label === truth)) inTop5++;
    const bin = bins[binOf(score)] as (typeof bins)[number];
    bin.images++;
    bin.confidence += score;
    if (best.label === truth) bin.right++;
    if (predicted === null) refused++;
    else if (predicted === truth) right++;
    else keepMistake(mistakes, { image, ...(pathBytes && { pathBytes }), truth, predicted, score });
  }

  const classes = perClass(cells, labels);
  const recalls = classes.flatMap(({ recall }) => recall ?? []);
  const share = (count: number) => ratio(count, images);
  return {
    labels,
    images,
    failed,
    refused,
    top1: share(right),
    precision: ratio(right, images - refused),
    top5: share(inTop5),
    meanPerClassRecall: ratio(sum(recalls), recalls.length),
    ece: share(sum(bins.map(({ right, confidence }) => Math.abs(right - confidence)))),
    classes,
    confusion: [...cells]
      .sort(([a], [b]) => a - b)
      .map(([cell, count]) => ({
        truth: labels[Math.floor(cell / columns)] as string,
        predicted: labels[cell % columns] ?? null,
        images: count,
      })),
    bins: bins.map((bin, n) => ({
      from: n / BINS,
      to: (n + 1) / BINS,
      images: bin.images,
      accuracy: ratio(bin.right, bin.images),
      confidence: ratio(bin.confidence, bin.images),
    })),
    mistakes,
    failures,
  };
}

/** The first bin is (0, 1/15]; a score of 0 belongs to it, too. */
function binOf(score: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.ceil(score * BINS) - 1));
}

/** Sorted by score; with equal scores, the earlier image comes first. */
function keepMistake(kept: Mistake[], mistake: Mistake): void {
  const at = kept.findIndex(({ score }) => score < mistake.score);
  kept.splice(at < 0 ? kept.length : at, 0, mistake);
  if (kept.length > KEPT_MISTAKES) kept.pop();
}

/** Keeps only the first {@link KEPT_FAILURES}. */
export function keepFailure(kept: Failure[], image: string, truth: string, { code, message }: ImageError): void {
  if (kept.length < KEPT_FAILURES) kept.push({ image, truth, code, message });
}

function perClass(cells: ReadonlyMap<number, number>, labels: readonly string[]): ClassFigures[] {
  const counts = labels.map(() => ({ images: 0, predicted: 0, right: 0 }));
  for (const [cell, count] of cells) {
    const columns = labels.length + 1;
    const [truth, predicted] = [counts[Math.floor(cell / columns)], counts[cell % columns]];
    if (truth !== undefined) truth.images += count;
    if (predicted !== undefined) predicted.predicted += count;
    if (truth !== undefined && truth === predicted) truth.right += count;
  }
  return counts.map((count, n) => ({
    label: labels[n] as string,
    ...count,
    recall: ratio(count.right, count.images),
    precision: ratio(count.right, count.predicted),
  }));
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The two-sided normal quantile for 95 %. */
const Z = 1.959963984540054;

/** The bounds of a rate with 95 % confidence, each from 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval for `right` of `all` (Wilson 1927). It is also valid near 0 and 1. Null if `all` is 0. */
export function wilson(right: number, all: number): Interval | null {
  if (all === 0) return null;
  const share = right / all;
  const spread = Z ** 2 / all;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (Z / (1 + spread)) * Math.sqrt((share * (1 - share)) / all + spread / (4 * all));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
