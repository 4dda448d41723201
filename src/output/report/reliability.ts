import { axisX, axisY, line, rectY, ruleY } from '@observablehq/plot';
import type { Evaluation, ReliabilityBin } from '../../evaluate.ts';
import { percent } from '../evaluation.ts';
import { draw, legend, type Part, share, table, twoWidths } from './figure.ts';
import { html, type Markup } from './markup.ts';

/** The reliability diagram: accuracy over confidence, and the number of images in each bin. */
export function reliabilityPart({ bins, ece, images }: Evaluation): Part {
  return {
    id: 'reliability',
    title: 'Reliability',
    explanation: html`Images in ${bins.length} bins by their best score. Where bars stay below the dashed line, the model is surer than it is right. The expected calibration error is the mean distance of accuracy and score, weighted by images: ${share(ece)}.`,
    drawing: html`${legend([
      ['bar', 'accuracy'],
      ['tick', 'mean score'],
      ['pale', 'images'],
    ])}${twoWidths((width) => html`${diagram(width, bins)}${histogram(width, bins, images)}`)}`,
    table: table(
      'Every bin',
      ['Best score', 'Images', 'Accuracy', 'Mean score'],
      bins.map((bin) => [range(bin), bin.images, share(bin.accuracy), share(bin.confidence)]),
    ),
  };
}

const SIDES = { marginLeft: 44, marginRight: 24, style: { fontSize: '11px' } };
const inPercent = (value: number) => `${Math.round(value * 100)} %`;

function diagram(width: number, bins: readonly ReliabilityBin[]): Markup {
  const filled = bins.filter((bin) => bin.images > 0);
  const place = { x1: 'from', x2: 'to', insetLeft: 1, insetRight: 1 };
  return draw('Reliability diagram: accuracy in bins of the best score; the table below has the figures', {
    ...SIDES,
    width,
    height: Math.round(width * 0.62),
    marginTop: 24,
    x: { domain: [0, 1], label: null },
    y: { domain: [0, 1], label: 'accuracy' },
    marks: [
      axisX({ ticks: 5, tickFormat: inPercent }),
      axisY({ ticks: 5, tickFormat: inPercent }),
      rectY(filled, { ...place, y: 'accuracy', fill: 'var(--blue)', title: described }),
      ruleY(filled, { ...place, y: 'confidence', stroke: 'var(--orange)', strokeWidth: 3, title: described }),
      line(
        [
          [0, 0],
          [1, 1],
        ],
        { stroke: 'var(--ink)', strokeDasharray: '4 3' },
      ),
      ruleY([0]),
    ],
  });
}

function histogram(width: number, bins: readonly ReliabilityBin[], images: number): Markup {
  return draw(`How ${images} images are spread over the bins; the table below has the figures`, {
    ...SIDES,
    width,
    height: 120,
    marginTop: 24,
    marginBottom: 40,
    x: { domain: [0, 1], label: 'best score' },
    y: { label: 'images', nice: true },
    marks: [
      axisX({ ticks: 5, tickFormat: inPercent, labelArrow: 'none' }),
      axisY({ ticks: 3, labelArrow: 'none' }),
      rectY(bins, {
        x1: 'from',
        x2: 'to',
        y: 'images',
        insetLeft: 1,
        insetRight: 1,
        fill: 'var(--pale)',
        title: described,
      }),
      ruleY([0]),
    ],
  });
}

function described(bin: ReliabilityBin): string {
  return `best score ${range(bin)}: ${bin.images} images, accuracy ${percent(bin.accuracy)}, mean score ${percent(bin.confidence)}`;
}

function range({ from, to }: ReliabilityBin): string {
  return `${percent(from)} to ${percent(to)}`;
}
