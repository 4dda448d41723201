import { stringify } from 'csv-stringify/sync';
import type { ImageResult } from '../classifier.ts';
import { plain } from '../errors.ts';
import { errorText } from './flags.ts';
import type { Canvas } from './table.ts';
import { type ResultWriter, rounded } from './writer.ts';

const HEADER = ['image', 'rank', 'label', 'score', 'logit', 'cosine', 'reason', 'error'] as const;

/** The start of a formula. Numbers are not strings here, so negative scores are not changed. */
const FORMULA = /^[=+\-@\t\r]/u;

/**
 * One line per ranked label, or one line for an image that failed. Values are quoted as in RFC 4180, and lines end in LF. Values are
 * unchanged, but on a terminal their control characters are removed.
 * With `safe`, a value that a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection").
 * An image without a label has its reason on every line. With multi-label, each rejected label has its own reason.
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
  // quoted_match: a single carriage return must be quoted, too, although it is not the line end here.
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

/** The page, if each page has its own row. */
function withPage(rows: (string | number)[][], page: number | undefined): (string | number)[][] {
  return page === undefined ? rows : rows.map((row) => [...row, page]);
}

/** Removes control characters. Line breaks and tabs stay, because they are quoted. */
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
