import { type PlotOptions, plot } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { percent } from '../evaluation.ts';
import { rounded } from '../writer.ts';
import { html, type Markup, type Piece, trusted } from './markup.ts';

/** A figure of the page: a caption, a drawing, and a table with the same values for screen readers. */
export interface Part {
  readonly id: string;
  readonly title: string;
  readonly explanation: Piece;
  readonly drawing: Markup;
  /** What follows from the figure. */
  readonly note?: string | undefined;
  readonly table: Markup;
}

export function section({ id, title, explanation, drawing, note, table }: Part): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
<p>${explanation}</p>
<figure>${drawing}</figure>
${note === undefined ? html`` : html`<p class="note">${note}</p>\n`}<details><summary>As a table</summary>${scrolling(`${title}, as a table`, table)}</details>
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

/** A share in per cent, with the exact number in an attribute for programs. */
export function share(value: number | null): Markup {
  return value === null ? html`–` : html`<data value="${rounded(value)}">${percent(value)}</data>`;
}

/** A box for wide content, which scrolls by mouse and keyboard. */
export function scrolling(name: string, inside: Markup): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">${inside}</div>`;
}

/** The same drawing for a wide and for a narrow page. CSS shows the one that fits. */
export function twoWidths(draw: (width: number, narrow: boolean) => Markup): Markup {
  return html`<div class="wide">${draw(WIDE, false)}</div><div class="narrow">${draw(NARROW, true)}</div>`;
}

/** Widths of the drawings in pixels. NARROW fits a telephone of 360 pixels with its margins. */
const WIDE = 560;
const NARROW = 312;

/** The legend entry of a colour and shape. */
export function legend(entries: readonly (readonly [mark: string, meaning: string])[]): Markup {
  return html`<ul class="legend">${entries.map(([mark, text]) => html`<li><span class="${mark}"></span>${text}</li>`)}</ul>`;
}

/** A label on an axis, truncated if it is too long. */
export function shortLabel(label: string, most: number): string {
  const letters = Array.from(label);
  return letters.length <= most ? label : `${letters.slice(0, most - 1).join('')}…`;
}

/** A plot as SVG without script. Its colours are variables of the page, so that it works in light and dark mode. */
export function draw(description: string, options: PlotOptions): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = plot({ ...options, document, ariaLabel: description });
  svg.setAttribute('role', 'img');
  return trusted(svg.outerHTML.replace(/[^\P{Cc}\n]/gu, '\uFFFD')); // the library escapes markup, but not control characters
}
