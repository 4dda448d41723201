import { stringify } from 'csv-stringify/sync';
import { oneLine } from '../errors.ts';
import type { Evaluation } from '../evaluate.ts';
import { type Interval, wilson } from '../evaluate.ts';
import type { Comparison, Prediction } from '../predictions.ts';
import { errorText } from './flags.ts';
import { escapeControls, pathField } from './json.ts';
import { type RunInfo, rounded } from './writer.ts';

/** The formats of `eval`. */
export const EVALUATION_FORMATS = ['table', 'json'] as const;
export type EvaluationFormat = (typeof EVALUATION_FORMATS)[number];

/** The model, labels and images of an evaluation. */
export interface LabelledRun extends Omit<RunInfo, 'provider' | 'dtype'> {
  /** The provider that ran the model. */
  readonly provider: string;
  readonly dtype: string;
  /** The folder or CSV. */
  readonly truth: string;
}

/** Where the figures come from. */
export interface Provenance {
  /** Day of the run, as 2026-11-27. */
  readonly date: string;
  /** The version of this package. */
  readonly version: string;
  /** Digest of the model. */
  readonly digest: string;
  /** Where the labels come from: the classes of the folder, options, a file. */
  readonly labelsFrom: string;
}

/** A comparison with another run, and the file of that run. */
export interface ComparedRun extends Comparison {
  readonly other: string;
}

/** How an evaluation was made. */
export interface EvaluationRun extends LabelledRun, Partial<Provenance> {
  /** Seconds from the first image to the last, without loading the model and encoding the labels. */
  readonly seconds: number;
}

/** Shown in place of a label. Brackets, because a label may be called none. */
export const NO_LABEL = '(no label)';

/** The report for programs: how the evaluation was made, then the figures as in {@link Evaluation}. */
export function evaluationJson(
  run: EvaluationRun,
  evaluation: Evaluation,
  { predictions = [], comparison }: Details = {},
): string {
  const mistakes = evaluation.mistakes.map(({ pathBytes, ...mistake }) => ({
    ...mistake,
    ...pathField(pathBytes === undefined ? { image: mistake.image } : { image: mistake.image, pathBytes }),
  }));
  return reportJson({
    ...run,
    chance: chanceOf(evaluation),
    imagesPerSecond: imagesPerSecond(run, evaluation),
    ...evaluation,
    intervals: intervalsOf(evaluation),
    mistakes,
    ...(comparison && { comparison }),
    predictions: predictions.map(({ key, truth, predicted, score }) => ({ key, truth, predicted, score })),
  });
}

/** Optional parts of an evaluation. */
export interface Details {
  /** A prediction for each image that could be read. */
  readonly predictions?: readonly Prediction[];
  readonly comparison?: ComparedRun | undefined;
}

/** The accuracy of guessing; null without labels. */
export function chanceOf({ labels }: Evaluation): number | null {
  return labels.length === 0 ? null : 1 / labels.length;
}

/** 95 % intervals of the shares of images. */
export function intervalsOf({ images, refused, top1, top5, precision }: Evaluation) {
  const interval = (share: number | null, all: number) => (share === null ? null : wilson(share * all, all));
  return {
    top1: interval(top1, images),
    top5: interval(top5, images),
    precision: interval(precision, images - refused),
  };
}

/** `60.1 to 77.0 %`, or nothing if there is nothing to measure. */
export function intervalText(interval: Interval | null): string {
  if (interval === null) return '';
  return `${(interval.low * 100).toFixed(1)} to ${(interval.high * 100).toFixed(1)} %`;
}

/** Two classes that the model may not distinguish better than by chance. */
export interface UnclearPair {
  readonly classes: readonly [string, string];
  readonly right: number;
  readonly images: number;
}

/**
 * Pairs of confused classes for which the accuracy between the two classes may be one half: the 95 % interval contains ½.
 */
export function unclearPairs({ confusion }: Evaluation): UnclearPair[] {
  const count = (truth: string, predicted: string) =>
    confusion.find((cell) => cell.truth === truth && cell.predicted === predicted)?.images ?? 0;
  const seen = new Set<string>();
  return confusion.flatMap(({ truth, predicted }) => {
    if (predicted === null || predicted === truth) return [];
    const classes = [truth, predicted].sort() as [string, string];
    const key = JSON.stringify(classes);
    if (seen.has(key)) return [];
    seen.add(key);
    const right = count(truth, truth) + count(predicted, predicted);
    const images = right + count(truth, predicted) + count(predicted, truth);
    return (wilson(right, images)?.low ?? 1) <= 0.5 ? [{ classes, right, images }] : [];
  });
}

/** A CSV (RFC 4180) with one line for each prediction. Images that failed have an error. */
export function predictionsCsv(predictions: readonly Prediction[], { failures }: Evaluation): string {
  const head = ['image', 'truth', 'predicted', 'right', 'score', 'margin', 'error'];
  const rows = predictions.map(({ image, truth, predicted, score, margin }) => [
    image,
    truth,
    predicted ?? '',
    String(predicted === truth),
    String(rounded(score)),
    String(rounded(margin)),
    '',
  ]);
  const failed = failures.map((failure) => [failure.image, failure.truth, '', '', '', '', errorText(failure)]);
  return stringify([head, ...rows, ...failed], { quoted_match: /[\r\n]/ });
}

/** Thresholds are not rounded, because a lower threshold could accept more images. */
const EXACT: readonly string[] = ['value', 'threshold'];

/** A JSON object on several lines. Other numbers are rounded to six digits. */
export function reportJson(report: object): string {
  const round = (key: string, value: unknown) =>
    typeof value === 'number' && !EXACT.includes(key) ? rounded(value) : value;
  return `${escapeControls(JSON.stringify(report, round, 2))}\n`;
}

/** Images per second; images that failed count, too. */
export function imagesPerSecond({ seconds }: EvaluationRun, { images, failed }: Evaluation): number {
  return (images + failed) / Math.max(seconds, 1e-3);
}

/** Which of two runs is better, and whether the difference may be chance. */
export function comparisonText(comparison: ComparedRun): string {
  const { other, images, onlyThisRight, onlyOtherRight, p } = comparison;
  const verdict = p < 0.05 ? 'the difference is more than chance' : 'chance can explain the difference';
  return `${oneLine(other)}: of ${images} images in both runs, only this run is right on ${onlyThisRight}, only the other on ${onlyOtherRight}; ${verdict} (McNemar's test, p = ${p.toPrecision(2)})`;
}

/** The classes with images, lowest recall first. Classes with the same recall are in label order. */
export function lowestRecall({ classes }: Evaluation): Evaluation['classes'] {
  return classes.filter(({ images }) => images > 0).sort((a, b) => (a.recall ?? 0) - (b.recall ?? 0));
}

/** Confused pairs, the commonest first. */
export function confusedPairs({ confusion }: Evaluation): Evaluation['confusion'] {
  return confusion.filter(({ truth, predicted }) => truth !== predicted).sort((a, b) => b.images - a.images);
}

/** `69.1 %`, or a dash for null. */
export function percent(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(1)} %`;
}
