import { stringify } from 'csv-stringify/sync';
import type { ImageResult } from '../classifier.ts';
import { plain } from '../errors.ts';
import { errorText } from './flags.ts';
import type { Canvas } from './table.ts';
import { type ResultWriter, rounded } from './writer.ts';

const HEADER = ['image', 'rank', 'label', 'score', 'logit', 'cosine', 'reason', 'error'] as const;

/** How a formula begins. Numbers are not strings here, so a negative score stays a number. */
const FORMULA = /^[=+\-@\t\r]/u;

/**
 * One line per ranked label, one for an image that failed; values as they are (but on a terminal, which would obey control
 * characters), quoted as RFC 4180 says; lines end in LF.
 * With `safe`, a value that a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection").
 * The reason stands on every line of an image without a label, and on each label that does not hold where several may.
 */
export function csvWriter(
  delimiter: ',' | '\t',
  {
    terminal,
    bom = false,
    safe = false,
    pages = false,
  }: Pick<Canvas, 'terminal'> & { readonly bom?: boolean; readonly safe?: boolean; readonly pages?: boolean },
): ResultWriter {
  // quoted_match: a lone carriage return must be quoted too, though it is not the line end here.
  const lines = (records: readonly (readonly (string | number)[])[]) =>
    stringify([...records], { delimiter, quoted_match: /[\r\n]/, cast: { string: shown } });
  const shown = (value: string) => {
    const text = safe && FORMULA.test(value) ? `'${value}` : value;
    return terminal
      ? text
          .split(/([\n\t])/u)
          .map(shownPart)
          .join('')
      : text;
  };
  return {
    begin: () => (bom ? '\ufeff' : '') + lines([pages ? [...HEADER, 'page'] : HEADER]),
    row: (result) => lines(withPage(records(result), pages ? result.page : undefined)),
    end: () => '',
  };
}

/** The page, where pages have rows of their own. */
function withPage(rows: (string | number)[][], page: number | undefined): (string | number)[][] {
  return page === undefined ? rows : rows.map((row) => [...row, page]);
}

/** Line breaks and tabs are quoted; a terminal obeys other controls. */
function shownPart(part: string): string {
  return part === '\n' || part === '\t' ? part : plain(part);
}

function records(result: ImageResult): (string | number)[][] {
  if (!result.ok) return [[result.image, '', '', '', '', '', '', errorText(result.error)]];
  return result.labels.map(({ label, score, logit, cosine, reason }, n) => [
    result.image,
    n + 1,
    label,
    rounded(score),
    rounded(logit),
    rounded(cosine),
    result.reason ?? reason ?? '',
    '',
  ]);
}
