import { escapeUTF8 } from 'entities';
import { oneLine } from '../../errors.ts';

/** HTML text. Only {@link html} and {@link trusted} make it, so that no name of a file or label becomes markup. */
export class Markup {
  constructor(readonly text: string) {}
}

/** A value in a template. Texts and numbers are escaped, markup stays unchanged, arrays are joined. */
export type Piece = Markup | string | number | readonly Piece[];

/** HTML in which every value is escaped unless it is markup. Names of files and labels may contain any character. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(String.raw({ raw: strings }, ...pieces.map(escaped)));
}

/** Markup from a library that escapes values itself, such as a drawing. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function escaped(piece: Piece): string {
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'number') return String(piece);
  return typeof piece === 'string' ? escapeUTF8(oneLine(piece)) : piece.map(escaped).join('');
}
