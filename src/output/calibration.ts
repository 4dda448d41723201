import { createColors } from 'picocolors';
import { type Calibration, type Limit, missedAims, type Reached } from '../calibrate.ts';
import { oneLine } from '../errors.ts';
import type { Label } from '../text/labels.ts';
import { columns } from './columns.ts';
import { type LabelledRun, percent, reportJson } from './evaluation.ts';
import { errorText } from './flags.ts';
import type { Canvas } from './table.ts';

/** The report for programs: how the thresholds were chosen, then the thresholds and what they reach. */
export function calibrationJson(run: LabelledRun, calibration: Calibration): string {
  return reportJson({ ...run, ...calibration, misses: missedAims(calibration) });
}

/** A labels file with the suggested threshold of each label. */
export function labelsFile(calibration: Calibration, labels: readonly Label[]): string {
  const limits = thresholdsOf(calibration);
  return reportJson(labels.map((label) => ({ ...label, threshold: limits.get(label.label) })));
}

/** The usable threshold of each label. */
export function thresholdsOf(calibration: Calibration): ReadonlyMap<string, number> {
  return new Map(calibration.labels.map((limit) => [limit.label, usable(limit, calibration)]));
}

/** Without images of the label, this is the threshold of all labels. If no threshold reaches the target, it is 1. */
function usable({ value, chosenOn }: Limit, { threshold }: Calibration): number {
  return (chosenOn.images === 0 ? threshold.value : value) ?? 1;
}

/** One sentence about the thresholds that miss the target; undefined if there are none. */
export function missesText(calibration: Calibration): string | undefined {
  const misses = missedAims(calibration);
  if (misses.length === 0) return undefined;
  const named = misses
    .slice(0, MOST_MISSES)
    .map(({ name, precision }) =>
      precision === null ? `${name} (no threshold reaches it)` : `${name} (${percent(precision)})`,
    );
  const more = misses.length > named.length ? ` and ${misses.length - named.length} more` : '';
  return `the precision of ${percent(calibration.target)} is missed on the test split: ${named.join(', ')}${more}; add images, or aim lower with --precision`;
}

/** The most misses that are named. */
const MOST_MISSES = 5;

/** The report for people: each threshold, and what it reaches on the test split. */
export function calibrationTable(calibration: Calibration, { color }: Pick<Canvas, 'color'>): string {
  const paint = createColors(color);
  const { target, threshold, minMargin, together, failures, failed } = calibration;
  const counts = `chosen on ${threshold.chosenOn.images} images (calibration split), measured on the other ${threshold.triedOn.images} (test split)`;
  const line = (name: string, { value, triedOn }: Pick<Limit, 'value' | 'triedOn'>) => [
    name,
    value === null ? 'none' : String(value),
    percent(triedOn.precision),
    percent(triedOn.coverage),
    String(triedOn.images),
  ];
  const all = (triedOn: Reached) => [
    'all labels together',
    '',
    percent(triedOn.precision),
    percent(triedOn.coverage),
    String(triedOn.images),
  ];
  const head = ['', 'threshold', 'precision', 'answered', 'images'];
  return [
    `thresholds for a precision of ${percent(target)}, ${counts}:\n\n`,
    columns(
      [
        head,
        line('--threshold', threshold),
        line('--min-margin', minMargin),
        [],
        [paint.bold('threshold per label')],
        ...calibration.labels.map((limit) => line(oneLine(limit.label), limit)),
        all(together),
      ],
      'lrrrr',
    ),
    ...failures.map((failure) => `${paint.red(errorText(failure))}\n`),
    ...(failed > failures.length ? [`… and ${failed - failures.length} more failed\n`] : []),
  ].join('');
}
