import { type PlotOptions, plot } from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Markup, trusted } from './markup.ts';

/** A plot as SVG without script; its colours are the page's variables, so that they follow light and dark. */
export function draw(description: string, options: PlotOptions): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = plot({ ...options, document, ariaLabel: description });
  svg.setAttribute('role', 'img');
  return trusted(svg.outerHTML.replace(/[^\P{Cc}\n]/gu, '\uFFFD')); // markup is escaped already, control bytes are not
}
