import { createColors } from 'picocolors';
import { oneLine } from '../errors.ts';
import type { Evaluation } from '../evaluate.ts';
import { columns } from './columns.ts';
import { errorText } from './flags.ts';
import { escapeControls, pathField } from './json.ts';
import type { Canvas } from './table.ts';
import { type RunInfo, rounded } from './writer.ts';

/** What `eval --format` may say. */
export const EVALUATION_FORMATS = ['table', 'json'] as const;
export type EvaluationFormat = (typeof EVALUATION_FORMATS)[number];

/** What ran on labelled images. */
export interface LabelledRun extends Omit<RunInfo, 'provider' | 'dtype'> {
  /** What really ran. */
  readonly provider: string;
  readonly dtype: string;
  /** The folder or CSV. */
  readonly truth: string;
}

/** How an evaluation came about. */
export interface EvaluationRun extends LabelledRun {
  /** From the first image to the last; loading the model and encoding the labels are not in it. */
  readonly seconds: number;
}

/** Where a label would stand; a label may be called none. */
export const NO_LABEL = '(no label)';

/** What is listed in full up to this number; JSON has all. */
const MOST_LISTED = 20;

/** For programs: the figures as they are in {@link Evaluation}, after how they came about. */
export function evaluationJson(run: EvaluationRun, evaluation: Evaluation): string {
  const mistakes = evaluation.mistakes.map(({ pathBytes, ...mistake }) => ({
    ...mistake,
    ...pathField(pathBytes === undefined ? { image: mistake.image } : { image: mistake.image, pathBytes }),
  }));
  return reportJson({ ...run, imagesPerSecond: imagesPerSecond(run, evaluation), ...evaluation, mistakes });
}

/** Limits as they are: rounded, they could let through what they are to keep out. */
const EXACT: readonly string[] = ['value', 'threshold'];

/** One object over several lines, its other fractions to six digits. */
export function reportJson(report: object): string {
  const round = (key: string, value: unknown) =>
    typeof value === 'number' && !EXACT.includes(key) ? rounded(value) : value;
  return `${escapeControls(JSON.stringify(report, round, 2))}\n`;
}

/** Images that failed are not slower than others that failed elsewhere: all count. */
export function imagesPerSecond({ seconds }: EvaluationRun, { images, failed }: Evaluation): number {
  return (images + failed) / Math.max(seconds, 1e-3);
}

/** For people: the figures, the classes with the lowest recall, what is confused most, what failed. */
export function evaluationTable(run: EvaluationRun, evaluation: Evaluation, { color }: Pick<Canvas, 'color'>): string {
  const paint = createColors(color);
  const { images, failed, labels, failures } = evaluation;
  const title = (text: string) => `\n${paint.bold(text)}\n`;
  const speed = imagesPerSecond(run, evaluation).toFixed(1);
  const figures = columns(
    [
      ['top-1', percent(evaluation.top1), labels.length === 1 ? 'there is only one label' : ''],
      ...(evaluation.refused === 0
        ? []
        : [
            [
              'without a label',
              String(evaluation.refused),
              `${percent(evaluation.precision)} of the other images are correct`,
            ],
          ]),
      ['top-5', percent(evaluation.top5), labels.length <= 5 ? `there are only ${labels.length} labels` : ''],
      ['mean per-class recall', percent(evaluation.meanPerClassRecall)],
      ['calibration error', percent(evaluation.ece), `ECE, ${evaluation.bins.length} bins`],
      ['images', String(images), `${failed} failed, ${speed} images/s`],
    ],
    'lrl',
  );
  const [classes, moreClasses] = shortened(lowestRecall(evaluation));
  const [pairs, morePairs] = shortened(confusedPairs(evaluation));
  const [failing] = shortened(failures);
  return [
    figures,
    title('classes, lowest recall first'),
    columns(
      [
        ['', 'images', 'recall', 'precision'],
        ...classes.map(({ label, images, recall, precision }) => [
          oneLine(label),
          String(images),
          percent(recall),
          percent(precision),
        ]),
      ],
      'lrrr',
    ),
    more(moreClasses),
    ...(pairs.length === 0 ? [] : [title('most confused')]),
    columns(
      pairs.map(({ truth, predicted, images }) => [
        `${oneLine(truth)} → ${predicted === null ? NO_LABEL : oneLine(predicted)}`,
        String(images),
      ]),
      'lr',
    ),
    more(morePairs),
    ...(failed === 0 ? [] : [title('failed')]),
    ...failing.map(
      ({ image, code, message }) => `${paint.red(errorText({ code, message: oneLine(message || image) }))}\n`,
    ),
    more(failed - failing.length),
  ].join('');
}

/** Classes that have images, the worst first; of equals, in the order of the labels. */
export function lowestRecall({ classes }: Evaluation): Evaluation['classes'] {
  return classes.filter(({ images }) => images > 0).sort((a, b) => (a.recall ?? 0) - (b.recall ?? 0));
}

/** What was taken for something else, the commonest first. */
export function confusedPairs({ confusion }: Evaluation): Evaluation['confusion'] {
  return confusion.filter(({ truth, predicted }) => truth !== predicted).sort((a, b) => b.images - a.images);
}

/** `69.1 %`, or a dash where there is nothing to measure. */
export function percent(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(1)} %`;
}

function shortened<T>(list: readonly T[]): [first: readonly T[], left: number] {
  return [list.slice(0, MOST_LISTED), Math.max(0, list.length - MOST_LISTED)];
}

function more(left: number): string {
  return left === 0 ? '' : `… and ${left} more (all are in the JSON report)\n`;
}
