import { axisX, axisY, barX, dot, ruleX, text } from '@observablehq/plot';
import type { ClassFigures, Evaluation } from '../../evaluate.ts';
import { wilson } from '../../evaluate.ts';
import { intervalText, lowestRecall, percent } from '../evaluation.ts';
import { draw, legend, type Part, share, shortLabel, table, twoWidths } from './figure.ts';
import { html, type Markup } from './markup.ts';

const MOST_BARS = 40;

/** Recall and precision of each class with images, lowest recall first. */
export function classesPart(evaluation: Evaluation): Part {
  const sorted = lowestRecall(evaluation);
  const shown = sorted.slice(0, MOST_BARS);
  const leftOut =
    sorted.length > shown.length
      ? ` Shown are the ${shown.length} with the lowest recall of ${sorted.length}; the table has all.`
      : '';
  return {
    id: 'classes',
    title: 'Per class',
    explanation: `Recall: of the images that show a class, the share that was given it. Precision: of the images that were given a class, the share that shows it. The small figures in the table are 95 % intervals.${leftOut}`,
    drawing: html`${legend([
      ['bar', 'recall'],
      ['dot', 'precision'],
    ])}${twoWidths((width, narrow) => bars(width, narrow, shown))}`,
    table: table(
      'Every class',
      ['Class', 'Images', 'Given', 'Right', 'Recall', 'Precision'],
      evaluation.classes.map(({ label, images, predicted, right, recall, precision }) => [
        label,
        images,
        predicted,
        right,
        within(recall, right, images),
        within(precision, right, predicted),
      ]),
    ),
  };
}

/** A share with its 95 % interval. */
function within(value: number | null, right: number, of: number): Markup {
  return value === null ? share(value) : html`${share(value)}<small>${intervalText(wilson(right, of))}</small>`;
}

function bars(width: number, narrow: boolean, shown: readonly ClassFigures[]): Markup {
  const letters = narrow ? 14 : 26;
  const longest = Math.max(0, ...shown.map(({ label }) => Math.min(Array.from(label).length, letters)));
  return draw(`Recall and precision of ${shown.length} classes; the table below has the figures`, {
    width,
    height: 22 * shown.length + 40,
    marginLeft: 14 + 6.5 * longest,
    marginRight: 58,
    marginTop: 8,
    style: { fontSize: '11px' },
    x: { domain: [0, 1], label: null },
    y: { domain: shown.map(({ label }) => label), label: null, padding: 0.3 },
    marks: [
      axisX({ ticks: narrow ? 2 : 5, tickFormat: (value: number) => `${Math.round(value * 100)} %` }),
      axisY({ tickSize: 0, tickFormat: (label: string) => shortLabel(label, letters) }),
      barX(shown, { x: 'recall', y: 'label', fill: 'var(--blue)', title: described }),
      dot(
        shown.filter(({ precision }) => precision !== null),
        {
          x: 'precision',
          y: 'label',
          r: 4,
          symbol: 'diamond',
          fill: 'var(--orange)',
          stroke: 'var(--paper)',
          title: described,
        },
      ),
      text(shown, {
        y: 'label',
        frameAnchor: 'right',
        dx: 54,
        text: ({ recall }: ClassFigures) => percent(recall),
        fill: 'var(--dim)',
      }),
      ruleX([0]),
    ],
  });
}

function described({ label, images, right, predicted, recall, precision }: ClassFigures): string {
  return `${label}: recall ${percent(recall)} (${right} of ${images}), precision ${percent(precision)} (${right} of ${predicted})`;
}
