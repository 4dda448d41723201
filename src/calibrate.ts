import { createHash } from 'node:crypto';
import { type Failure, type Judged, keepFailure } from './evaluate.ts';

/** What a limit does to some images: below it there is no answer. */
export interface Reached {
  readonly images: number;
  readonly answered: number;
  /** `answered / images`; null where there are none. */
  readonly coverage: number | null;
  /** Share of the answered that are right; null where none is. */
  readonly precision: number | null;
}

/** A limit, chosen on one half of the images and tried on the other. */
export interface Limit {
  /** The lowest that reaches the wanted precision; null where none does. */
  readonly value: number | null;
  readonly chosenOn: Reached;
  readonly triedOn: Reached;
}

export interface Calibration {
  /** The precision that is wanted among the answered images. */
  readonly target: number;
  readonly images: number;
  readonly failed: number;
  /** The first ones. */
  readonly failures: readonly Failure[];
  /** One `--threshold` for all labels. */
  readonly threshold: Limit;
  /** One `--min-margin`: how far the best score must lie above the second. */
  readonly minMargin: Limit;
  /** A threshold for each label, over the images that are given it. */
  readonly labels: readonly (Limit & { readonly label: string })[];
  /** All of {@link labels} together, on the half that they were not chosen on. */
  readonly together: Reached;
}

/** An image that could be read, as few small values. */
interface Answer {
  readonly label: string;
  readonly right: boolean;
  readonly score: number;
  readonly margin: number;
  readonly chooses: boolean;
}

/**
 * Proposes limits below which it is better not to answer. They are chosen on about half of the images and tried on the
 * others; the halves are told apart by a hash of `key`, so that the same images always fall to the same side.
 *
 * Thresholds of the classifier itself do not count: it is asked for its first label, whether or not it holds.
 *
 * @param judged `ImageResult`s with their two best labels, each beside what the image truly shows; `key` names the image
 *   wherever its folder lies
 * @param labels what the classifier ranks
 * @param target wanted precision, above 0, at most 1
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

/** Where a threshold does not reach on the test split what it was chosen for. */
export interface Miss {
  /** The option, or the label. */
  readonly name: string;
  /** Of the answered images of the test split; null if no threshold reaches the target on the calibration split. */
  readonly precision: number | null;
}

/** The proposals that miss the aim. */
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

/** Half of all names, the same half for ever. */
function isChooser(key: string): boolean {
  return ((createHash('sha256').update(key).digest()[0] as number) & 1) === 0;
}

/**
 * The lowest limit at which the precision of what passes reaches the target: 0 if all may pass, else the middle between
 * the last image that passes and the first that does not.
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

/** The middle, in no more digits than keep it above `low` and not above `high`. */
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
