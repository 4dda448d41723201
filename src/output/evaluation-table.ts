import { createColors } from 'picocolors';
import { oneLine } from '../errors.ts';
import type { Evaluation } from '../evaluate.ts';
import { columns } from './columns.ts';
import {
  chanceOf,
  comparisonText,
  confusedPairs,
  type Details,
  type EvaluationRun,
  imagesPerSecond,
  intervalsOf,
  intervalText,
  lowestRecall,
  NO_LABEL,
  percent,
} from './evaluation.ts';
import { errorText } from './flags.ts';
import type { Canvas } from './table.ts';

/** The most entries of each list for people. JSON has all entries. */
const MOST_LISTED = 20;

/** The report for people: the figures, the classes with the lowest recall, the commonest confusions, and the failed images. */
export function evaluationTable(
  run: EvaluationRun,
  evaluation: Evaluation,
  { color }: Pick<Canvas, 'color'>,
  { comparison }: Details = {},
): string {
  const paint = createColors(color);
  const { images, failed, labels, failures } = evaluation;
  const title = (text: string) => `\n${paint.bold(text)}\n`;
  const speed = imagesPerSecond(run, evaluation).toFixed(1);
  const figures = columns(
    [
      [
        'top-1',
        percent(evaluation.top1),
        labels.length === 1
          ? 'there is only one label'
          : `95 % interval ${intervalText(intervalsOf(evaluation).top1)}, chance ${percent(chanceOf(evaluation))}`,
      ],
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
    ...(comparison === undefined ? [] : [title('compared'), `${comparisonText(comparison)}\n`]),
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

function shortened<T>(list: readonly T[]): [first: readonly T[], left: number] {
  return [list.slice(0, MOST_LISTED), Math.max(0, list.length - MOST_LISTED)];
}

function more(left: number): string {
  return left === 0 ? '' : `… and ${left} more (all are in the JSON report)\n`;
}
