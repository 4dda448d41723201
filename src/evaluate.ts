import type { ImageError, ImageErrorCode } from './errors.ts';

/** What a classifier said of an image, and what is true. */
export interface Judged {
  readonly result: Answered | Unreadable;
  readonly truth: string;
}

/** Of an `ImageResult`, what matters here: its label, null where none holds, and the best labels, best first. */
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

/** How one class fared. */
export interface ClassFigures {
  readonly label: string;
  /** Images that truly show it and could be read. */
  readonly images: number;
  /** Images that were given it. */
  readonly predicted: number;
  /** Images of which both hold. */
  readonly right: number;
  /** `right / images`; null where no image shows it. */
  readonly recall: number | null;
  /** `right / predicted`; null where it is never said. */
  readonly precision: number | null;
}

/** Images of one class that were given one label, or null: none. Those that are right are there too. */
export interface ConfusionCell {
  readonly truth: string;
  readonly predicted: string | null;
  readonly images: number;
}

/** The images whose best score lies in (from, to]; the first bin holds 0 too. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly images: number;
  /** Share of them whose first label is right; null where there are none. */
  readonly accuracy: number | null;
  /** Mean of their best scores. */
  readonly confidence: number | null;
}

/** An image that was given a wrong label. */
export interface Mistake {
  readonly image: string;
  /** Its path, where that is no valid UTF-8 and `image` cannot hold it. */
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

/** All figures are over the images that could be read; those that could not are counted in `failed`. */
export interface Evaluation {
  readonly labels: readonly string[];
  readonly images: number;
  readonly failed: number;
  /** Images that were given no label, by a threshold, a margin or the background. */
  readonly refused: number;
  /** Share of images that were given the right label; null, as the others, where no image could be read. */
  readonly top1: number | null;
  /** The same share of the images that were given a label at all; null where none was. */
  readonly precision: number | null;
  /** Share of images with the right label among the first five, whether or not it holds. */
  readonly top5: number | null;
  /** Mean of the recalls of the classes that have images. */
  readonly meanPerClassRecall: number | null;
  /** Expected calibration error: mean distance of accuracy and confidence over the bins, weighted by their images.
   * The first label counts, whether or not it holds: this is about the scores. */
  readonly ece: number | null;
  readonly classes: readonly ClassFigures[];
  /** The cells that are not 0, in the order of the labels. */
  readonly confusion: readonly ConfusionCell[];
  readonly bins: readonly ReliabilityBin[];
  /** The most confident ones, most confident first. */
  readonly mistakes: readonly Mistake[];
  /** The first ones. */
  readonly failures: readonly Failure[];
}

/** Equal-width bins of the calibration error, as Guo et al. 2017 have them. */
const BINS = 15;
/** What is kept of single images: memory must not grow with their number. */
const KEPT_MISTAKES = 24;
const KEPT_FAILURES = 1_000;

/**
 * Holds results against the truth. Results need their five best labels, and no more; memory does not grow with their number.
 *
 * @param judged `ImageResult`s, each beside what the image truly shows
 * @param labels what the classifier ranks, in its order; every truth is one of them, letter by letter
 * @throws RangeError if a truth is none of them
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

/** (0, 1/15] is the first; a score of 0 belongs to it too. */
function binOf(score: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.ceil(score * BINS) - 1));
}

/** Sorted by score; of equals, the earlier image first. */
function keepMistake(kept: Mistake[], mistake: Mistake): void {
  const at = kept.findIndex(({ score }) => score < mistake.score);
  kept.splice(at < 0 ? kept.length : at, 0, mistake);
  if (kept.length > KEPT_MISTAKES) kept.pop();
}

/** The first thousand are named. */
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
