import { stringify } from 'csv-stringify/sync';
import { createColors } from 'picocolors';
import { oneLine, plain } from '../errors.ts';
import type { Findings } from '../find.ts';
import { columns } from './columns.ts';
import { pathField, toJson } from './json.ts';
import type { Canvas } from './table.ts';
import { rounded } from './writer.ts';

/** The formats of `find`. */
export const FINDING_FORMATS = ['table', 'json', 'jsonl', 'csv', 'tsv', 'paths'] as const;
export type FindingFormat = (typeof FINDING_FORMATS)[number];

/** The ranking as text, or as bytes if a path is not valid UTF-8. */
export function formatFindings(
  format: FindingFormat,
  findings: Findings,
  run: { readonly model: string; readonly query: string },
  { color, terminal, print0 }: Omit<Canvas, 'columns'> & { readonly print0: boolean },
): string | Uint8Array {
  switch (format) {
    case 'table':
      return findingsTable(findings, color);
    case 'json':
      return `${toJson({ ...run, results: rowsOf(findings, run.model) })}\n`;
    case 'jsonl':
      return rowsOf(findings, run.model)
        .map((row) => `${toJson(row)}\n`)
        .join('');
    case 'csv':
    case 'tsv':
      return findingsCsv(findings, format === 'csv' ? ',' : '\t');
    case 'paths': {
      const end = Buffer.from(print0 ? '\0' : '\n');
      if (terminal) return findings.found.map(({ image }) => `${plain(image)}\n`).join('');
      return Buffer.concat(findings.found.flatMap((one) => [Buffer.from(one.pathBytes ?? one.image), end]));
    }
  }
}

/** Ranked images first, then the images that could not be read. */
function rowsOf({ found, failed }: Findings, model: string): object[] {
  return [
    ...found.map((one, n) => ({
      image: one.image,
      ...pathField(one),
      model,
      rank: n + 1,
      cosine: rounded(one.cosine),
    })),
    ...failed.map((one) => ({
      image: one.image,
      ...pathField(one),
      model,
      error: { code: one.error.code, message: one.error.message },
    })),
  ];
}

function findingsTable({ found, failed }: Findings, color: boolean): string {
  const paint = createColors(color);
  const ranked = found.map(({ image, cosine }, n) => [String(n + 1), cosine.toFixed(3), oneLine(image)]);
  const errors = failed.map(
    ({ image, error }) => `${oneLine(image)}  ${paint.red(`${error.code}: ${error.message}`)}\n`,
  );
  return columns(ranked, 'rrl') + errors.join('');
}

function findingsCsv({ found, failed }: Findings, delimiter: ',' | '\t'): string {
  const records = [
    ['image', 'rank', 'cosine', 'error'],
    ...found.map(({ image, cosine }, n) => [image, n + 1, rounded(cosine), '']),
    ...failed.map(({ image, error }) => [image, '', '', `${error.code}: ${error.message}`]),
  ];
  return stringify(records, { delimiter, quoted_match: /[\r\n]/ });
}
