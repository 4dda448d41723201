import { axisX, axisY, dot, line, ruleY } from '@observablehq/plot';
import type { CoveragePoint } from '../../predictions.ts';
import { percent } from '../evaluation.ts';
import { draw, legend, type Part, share, table, twoWidths } from './figure.ts';
import { html, type Markup } from './markup.ts';

/** Precision and coverage for each threshold. */
export interface Coverage {
  readonly curve: readonly CoveragePoint[];
  /** The target precision. */
  readonly target: number;
  /** The point that --calibrate chooses; null if no threshold reaches the target. */
  readonly chosen: CoveragePoint | null;
}

/** The most rows of the table. */
const TABLE_ROWS = 20;

/** How many images get a label, and how many of these labels are right, for every threshold. */
export function coveragePart({ curve, target, chosen }: Coverage): Part {
  const step = Math.max(1, Math.ceil(curve.length / TABLE_ROWS));
  const advice =
    chosen === null
      ? html`No threshold reaches a precision of ${percent(target)} on the calibration split.`
      : chosen.threshold === 0
        ? html`No threshold is needed for a precision of ${percent(target)}: ${share(chosen.precision)} of all labels are right.`
        : html`For a precision of ${percent(target)}, <code>--calibrate</code> chooses <code>--threshold ${chosen.threshold.toPrecision(3)}</code>: ${share(chosen.coverage)} of all images get a label, and ${share(chosen.precision)} of these labels are right.`;
  return {
    id: 'coverage',
    title: 'Coverage',
    explanation: html`A threshold leaves images with a low score without a label. The further right, the more images get a label. ${advice}`,
    drawing: html`${legend([
      ['bar', 'precision'],
      ...(chosen === null ? [] : [['dot', 'chosen by --calibrate'] as const]),
    ])}${twoWidths((width) => drawing(width, curve, target, chosen))}`,
    table: table(
      'Points of the curve',
      ['Threshold', 'Images with a label', 'Precision'],
      curve
        .filter((_, n) => n % step === 0 || n === curve.length - 1)
        .map(({ threshold, coverage, precision }) => [threshold.toPrecision(3), share(coverage), share(precision)]),
    ),
  };
}

const inPercent = (value: number) => `${Math.round(value * 100)} %`;

function drawing(width: number, curve: readonly CoveragePoint[], target: number, chosen: CoveragePoint | null): Markup {
  const described = ({ threshold, coverage, precision }: CoveragePoint) =>
    `threshold ${threshold.toPrecision(3)}: ${percent(coverage)} of the images get a label, ${percent(precision)} of these are right`;
  return draw('Precision over the share of images that get a label; the table below has the figures', {
    width,
    height: Math.round(width * 0.62),
    marginLeft: 44,
    marginRight: 24,
    marginTop: 24,
    marginBottom: 40,
    style: { fontSize: '11px' },
    x: { domain: [0, 1], label: 'images with a label' },
    y: { domain: [0, 1], label: 'precision' },
    marks: [
      axisX({ ticks: 5, tickFormat: inPercent, labelArrow: 'none' }),
      axisY({ ticks: 5, tickFormat: inPercent }),
      ruleY([target], { stroke: 'var(--ink)', strokeDasharray: '4 3' }),
      line(curve, { x: 'coverage', y: 'precision', stroke: 'var(--blue)', strokeWidth: 2 }),
      dot(chosen === null ? [] : [chosen], {
        x: 'coverage',
        y: 'precision',
        r: 5,
        symbol: 'diamond',
        fill: 'var(--orange)',
        stroke: 'var(--paper)',
        title: described,
      }),
      ruleY([0]),
    ],
  });
}
