import { axisX, axisY, cell, text } from '@observablehq/plot';
import type { Evaluation } from '../../evaluate.ts';
import { confusedPairs, NO_LABEL, percent, unclearPairs } from '../evaluation.ts';
import { draw, type Part, scrolling, shortLabel, table, twoWidths } from './figure.ts';
import { html, type Markup } from './markup.ts';

/** The most classes of a drawn matrix. A larger one could not be read. */
const MOST_CLASSES = 25;
const MOST_PAIRS = 200;
/** The most pairs that are named. */
const MOST_UNCLEAR = 5;

/** The drawn matrix. The last column stands for no label. */
interface Cell {
  readonly truth: string;
  readonly predicted: string;
  readonly images: number;
}

/** The confusion matrix of all classes, or of the classes with the commonest confusions. */
export function confusionPart(evaluation: Evaluation): Part {
  const pairs = confusedPairs(evaluation);
  return {
    id: 'confusion',
    title: 'Confusion matrix',
    explanation:
      'A row for what an image truly shows, a column for what it was taken for. The stronger a cell, the larger its share of the row; right answers lie on the diagonal.',
    drawing: twoWidths((width, narrow) => drawing(width, narrow ? 12 : 16, evaluation)),
    note: unclear(evaluation),
    table: table(
      pairs.length > MOST_PAIRS ? `The ${MOST_PAIRS} commonest of ${pairs.length} confusions` : 'All confusions',
      ['Truth', 'Taken for', 'Images'],
      pairs.slice(0, MOST_PAIRS).map(({ truth, predicted, images }) => [truth, predicted ?? NO_LABEL, images]),
    ),
  };
}

/** The matrix of as many classes as the width has room for. @param letters of the longest label */
function drawing(width: number, letters: number, evaluation: Evaluation): Markup {
  const { confusion, classes, refused } = evaluation;
  const occurring = classes.filter(({ images, predicted }) => images + predicted > 0).map(({ label }) => label);
  const room = Math.floor((width - marginOf(letters) - EDGE) / SMALLEST_CELL) - (refused > 0 ? 1 : 0);
  const shown = classesToShow(evaluation, occurring, Math.min(MOST_CLASSES, room));
  const inside = new Set(shown);
  const columns = refused > 0 ? [...shown, NO_LABEL] : shown;
  const cells = confusion
    .filter(({ truth, predicted }) => inside.has(truth) && (predicted === null || inside.has(predicted)))
    .map((one) => ({ ...one, predicted: one.predicted ?? NO_LABEL }));
  const wrong = countImages(confusedPairs(evaluation));
  const wrongShown = countImages(cells.filter(({ truth, predicted }) => truth !== predicted));
  const leftOut =
    shown.length === occurring.length
      ? html``
      : html`<p>Shown are the ${shown.length} classes of the commonest confusions; the other ${occurring.length - shown.length} are left out. ${wrongShown} of ${wrong} mistakes lie between the classes shown.</p>`;
  return html`${leftOut}${scrolling('Confusion matrix', matrix(width, letters, shown, columns, cells, evaluation))}`;
}

/** Pairs for which there are too few images. */
function unclear(evaluation: Evaluation): string | undefined {
  const pairs = unclearPairs(evaluation).sort((a, b) => b.images - a.images);
  if (pairs.length === 0) return undefined;
  const named = pairs
    .slice(0, MOST_UNCLEAR)
    .map(({ classes: [a, b], right, images }) => `${a} and ${b} (${right} of ${images} right)`);
  const more = pairs.length > named.length ? `, and ${pairs.length - named.length} more pairs` : '';
  return `With so few images it is not clear that these classes are told apart better than by chance: ${named.join(', ')}${more}.`;
}

/** The classes of the commonest confusions, in label order. */
function classesToShow(evaluation: Evaluation, occurring: readonly string[], most: number): readonly string[] {
  if (occurring.length <= most) return occurring;
  const chosen = new Set<string>();
  for (const { truth, predicted } of confusedPairs(evaluation)) {
    const both = new Set([...chosen, truth, ...(predicted === null ? [] : [predicted])]);
    if (both.size > most) break;
    for (const label of both) chosen.add(label);
  }
  return occurring.filter((label) => chosen.has(label));
}

function matrix(
  width: number,
  letters: number,
  shown: readonly string[],
  columns: readonly string[],
  cells: readonly Cell[],
  { classes }: Evaluation,
): Markup {
  const rowTotals = new Map(classes.map(({ label, images }) => [label, images]));
  const margin = marginOf(Math.max(0, ...columns.map((label) => Math.min(Array.from(label).length, letters))));
  const side = Math.max(SMALLEST_CELL, Math.min(LARGEST_CELL, Math.floor((width - margin - EDGE) / columns.length)));
  const counts = side >= CELL_WITH_COUNT;
  const rowShare = ({ truth, images }: Cell) => images / (rowTotals.get(truth) as number);
  const tick = { tickSize: 0, tickFormat: (label: string) => shortLabel(label, letters) };
  return draw(`Confusion matrix of ${shown.length} classes; the table below has its figures`, {
    width: margin + side * columns.length + EDGE,
    height: margin + side * shown.length + EDGE,
    marginLeft: margin,
    marginTop: margin,
    marginRight: EDGE,
    marginBottom: EDGE,
    padding: 0,
    style: { fontSize: '11px' },
    x: { domain: columns, label: 'taken for' },
    y: { domain: shown, label: 'truth' },
    marks: [
      axisX({ ...tick, anchor: 'top', tickRotate: -90, textAnchor: 'start' }),
      axisY(tick),
      cell(
        shown.flatMap((truth) => columns.map((predicted) => ({ truth, predicted }))),
        { x: 'predicted', y: 'truth', fill: 'none', stroke: 'var(--line)', strokeWidth: 0.5 },
      ),
      cell(cells, {
        x: 'predicted',
        y: 'truth',
        fill: 'var(--blue)',
        fillOpacity: (one: Cell) => strength(rowShare(one), counts),
        title: (one: Cell) =>
          one.truth === one.predicted
            ? `${one.truth}: ${one.images} right, ${percent(rowShare(one))}`
            : `${one.truth} taken for ${one.predicted}: ${one.images}, ${percent(rowShare(one))}`,
      }),
      ...(counts
        ? [text(cells, { x: 'predicted', y: 'truth', text: 'images', fill: 'var(--ink)', pointerEvents: 'none' })]
        : []),
    ],
  });
}

/** Colour by the square root, so that few mistakes among many images are visible and the counts stay readable. */
function strength(share: number, counts: boolean): number {
  return Math.sqrt(share) * (counts ? 0.55 : 1);
}

/** Pixels. */
const SMALLEST_CELL = 14;
const LARGEST_CELL = 44;
const CELL_WITH_COUNT = 22;
const EDGE = 4;

/** Room for the names of the classes, and for the name of the axis. */
function marginOf(letters: number): number {
  return 36 + 6 * letters;
}

function countImages(cells: readonly Pick<Cell, 'images'>[]): number {
  return cells.reduce((total, { images }) => total + images, 0);
}
