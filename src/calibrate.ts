import { createHash } from 'node:crypto';
import { type Failure, type Judged, keepFailure } from './evaluate.ts';

/** The effect of a limit on some images: an image below the limit gets no label. */
export interface Reached {
  readonly images: number;
  readonly answered: number;
  /** `answered / images`; null if there are no images. */
  readonly coverage: number | null;
  /** Share of the answered images whose label is right; null if none is answered. */
  readonly precision: number | null;
}

/** A limit, chosen on the calibration split and tested on the test split. */
export interface Limit {
  /** The lowest limit that reaches the target precision; null if there is none. */
  readonly value: number | null;
  readonly chosenOn: Reached;
  readonly triedOn: Reached;
}

export interface Calibration {
  /** The target precision of the answered images. */
  readonly target: number;
  readonly images: number;
  readonly failed: number;
  /** The first 1,000 failures. */
  readonly failures: readonly Failure[];
  /** One `--threshold` for all labels. */
  readonly threshold: Limit;
  /** One `--min-margin`: the minimum lead of the best score over the second-best. */
  readonly minMargin: Limit;
  /** A threshold for each label, chosen on the images that get this label. */
  readonly labels: readonly (Limit & { readonly label: string })[];
  /** The thresholds of {@link labels} together, on the test split. */
  readonly together: Reached;
}

/** An image that could be read, in a few small values. */
interface Answer {
  readonly label: string;
  readonly right: boolean;
  readonly score: number;
  readonly margin: number;
  readonly chooses: boolean;
}

/**
 * Suggests limits below which it is better to give no label. They are chosen on about half of the images (the calibration
 * split) and tested on the others (the test split). A hash of `key` decides the split, so an image is always in the same one.
 *
 * The thresholds of the classifier itself have no effect: the best label counts, accepted or not.
 *
 * @param judged `ImageResult`s with their two best labels, and the true label of each; `key` names the image, also after its
 *   folder was moved
 * @param labels what the classifier ranks
 * @param target target precision, above 0, at most 1
 */
export async function calibrate(
  judged: AsyncIterable<Judged & { readonly key: string }>,
  labels: readonly string[],
  target: number,
): Promise<Calibration> {
  const answers: Answer[] = [];
  const failures: Failure[] = [];
  let failed = 0;
  for await (const { result, truth, key } of judged) {
    if (!result.ok) {
      failed++;
      keepFailure(failures, result.image, truth, result.error);
      continue;
    }
    const [best, second] = result.labels;
    if (best === undefined) continue;
    const { label, score } = best;
    const margin = score - (second?.score ?? 0);
    answers.push({ label, right: label === truth, score, margin, chooses: isChooser(key) });
  }
  const limit = (of: readonly Answer[], measure: (answer: Answer) => number): Limit => {
    const [chosenOn, triedOn] = [of.filter(({ chooses }) => chooses), of.filter(({ chooses }) => !chooses)];
    const value = lowestLimit(chosenOn, measure, target);
    const passes = (answer: Answer) => value !== null && measure(answer) >= value;
    return { value, chosenOn: reached(chosenOn, passes), triedOn: reached(triedOn, passes) };
  };
  const score = (answer: Answer) => answer.score;
  const byLabel = new Map<string, Answer[]>(labels.map((label) => [label, []]));
  for (const answer of answers) byLabel.get(answer.label)?.push(answer);
  const perLabel = labels.map((label) => ({ label, ...limit(byLabel.get(label) ?? [], score) }));
  const limits = new Map(perLabel.map(({ label, value }) => [label, value]));
  return {
    target,
    images: answers.length,
    failed,
    failures,
    threshold: limit(answers, score),
    minMargin: limit(answers, ({ margin }) => margin),
    labels: perLabel,
    together: reached(
      answers.filter(({ chooses }) => !chooses),
      (answer) => answer.score >= (limits.get(answer.label) ?? Number.POSITIVE_INFINITY),
    ),
  };
}

/** A threshold that misses its target precision on the test split. */
export interface Miss {
  /** The option, or the label. */
  readonly name: string;
  /** Precision on the test split; null if no threshold reaches the target on the calibration split. */
  readonly precision: number | null;
}

/** The thresholds that miss the target. */
export function missedAims({ target, threshold, minMargin, labels, together }: Calibration): Miss[] {
  const miss = (name: string, { value, triedOn }: Pick<Limit, 'value' | 'triedOn'>): Miss[] => {
    if (value === null) return triedOn.images === 0 ? [] : [{ name, precision: null }];
    return triedOn.precision !== null && triedOn.precision < target ? [{ name, precision: triedOn.precision }] : [];
  };
  return [
    ...miss('--threshold', threshold),
    ...miss('--min-margin', minMargin),
    ...labels.flatMap((limit) => miss(`"${limit.label}"`, limit)),
    ...miss('all labels together', { value: 0, triedOn: together }),
  ];
}

/** Whether an image belongs to the calibration split: half of all names do. */
function isChooser(key: string): boolean {
  return ((createHash('sha256').update(key).digest()[0] as number) & 1) === 0;
}

/**
 * The lowest limit at which the images above it reach the target precision. It is 0 if all images together reach it. Otherwise
 * it is the middle between the last image above it and the first below it.
 */
function lowestLimit(answers: readonly Answer[], measure: (answer: Answer) => number, target: number): number | null {
  const sorted = answers.map((answer) => ({ at: measure(answer), right: answer.right })).sort((a, b) => b.at - a.at);
  let right = 0;
  let lowest: number | null = null;
  for (const [n, answer] of sorted.entries()) {
    if (answer.right) right++;
    const next = sorted[n + 1]?.at;
    if (next === answer.at || right / (n + 1) < target) continue;
    lowest = next === undefined ? 0 : between(next, answer.at);
  }
  return lowest;
}

/** The middle, rounded to as few digits as possible, above `low` and at most `high`. */
function between(low: number, high: number): number {
  const middle = (low + high) / 2;
  for (let digits = 2; digits <= 15; digits++) {
    const short = Number(middle.toPrecision(digits));
    if (short > low && short <= high) return short;
  }
  return high;
}

function reached(images: readonly Answer[], passes: (answer: Answer) => boolean): Reached {
  const answered = images.filter(passes);
  const right = answered.filter((answer) => answer.right).length;
  return {
    images: images.length,
    answered: answered.length,
    coverage: images.length === 0 ? null : answered.length / images.length,
    precision: answered.length === 0 ? null : right / answered.length,
  };
}
