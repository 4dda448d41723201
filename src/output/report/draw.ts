import { type PlotOptions, plot } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Markup, trusted } from './markup.ts';

/** A plot as SVG without script. Its colours are variables of the page, so that it works in light and dark mode. */
export function draw(description: string, options: PlotOptions): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = plot({ ...options, document, ariaLabel: description });
  svg.setAttribute('role', 'img');
  return trusted(svg.outerHTML.replace(/[^\P{Cc}\n]/gu, '\uFFFD')); // the library escapes markup, but not control characters
}
