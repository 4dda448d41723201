import { percent } from '../evaluation.ts';
import { rounded } from '../writer.ts';
import { html, type Markup, type Piece } from './markup.ts';

/** A part of the page: what it shows, drawn, and the same as a table for those who cannot see it. */
export interface Part {
  readonly id: string;
  readonly title: string;
  readonly explanation: Piece;
  readonly drawing: Markup;
  readonly table: Markup;
}

export function section({ id, title, explanation, drawing, table }: Part): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
<p>${explanation}</p>
<figure>${drawing}</figure>
<details><summary>As a table</summary>${scrolling(`${title}, as a table`, table)}</details>
</section>
`;
}

/** A table whose first column names its rows. */
export function table(caption: string, head: readonly string[], rows: readonly (readonly Piece[])[]): Markup {
  const row = ([name = '', ...cells]: readonly Piece[]) =>
    html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`;
  return html`<table><caption>${caption}</caption>
<thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows.map(row)}</tbody></table>`;
}

/** A share in per cent, for people, with the number that JSON has, for programs. */
export function share(value: number | null): Markup {
  return value === null ? html`–` : html`<data value="${rounded(value)}">${percent(value)}</data>`;
}

/** What may be wider than the page moves in a box of its own, also by keyboard. */
export function scrolling(name: string, inside: Markup): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">${inside}</div>`;
}

/** The same drawing for a wide and for a narrow place; style shows the one that fits. */
export function twoWidths(draw: (width: number, narrow: boolean) => Markup): Markup {
  return html`<div class="wide">${draw(WIDE, false)}</div><div class="narrow">${draw(NARROW, true)}</div>`;
}

/** Pixels of the drawings; NARROW fits a telephone of 360 with its margins. */
const WIDE = 560;
const NARROW = 312;

/** What a colour and shape of the drawing stand for. */
export function legend(entries: readonly (readonly [mark: string, meaning: string])[]): Markup {
  return html`<ul class="legend">${entries.map(([mark, text]) => html`<li><span class="${mark}"></span>${text}</li>`)}</ul>`;
}

/** A label on an axis: cut where it would take too much of the drawing. */
export function shortLabel(label: string, most: number): string {
  const letters = Array.from(label);
  return letters.length <= most ? label : `${letters.slice(0, most - 1).join('')}…`;
}
