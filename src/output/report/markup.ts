import { escapeUTF8 } from 'entities';
import { oneLine } from '../../errors.ts';

/** Text that is HTML already; only {@link html} and {@link trusted} make it, so that no name slips in as markup. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What a template may hold: text and numbers are escaped, markup stays as it is, lists are joined. */
export type Piece = Markup | string | number | readonly Piece[];

/** HTML in which every value is escaped that is no markup itself: names of files and labels may hold anything. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...pieces.map(escaped)));
}

/** Markup from a library that escapes by itself, such as a drawing. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function escaped(piece: Piece): string {
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'number') return String(piece);
  return typeof piece === 'string' ? escapeUTF8(oneLine(piece)) : piece.map(escaped).join('');
}
