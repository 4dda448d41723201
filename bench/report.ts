import type { Ratio } from './statistics.ts';

export type Asked = { readonly atMost: number } | { readonly atLeast: number };

/** One line of the table. */
export interface Row {
  readonly what: string;
  /** The figure that is asked for, if any. */
  readonly asked?: Asked | undefined;
  readonly reached: number | undefined;
  /** Where the figure comes from: medians, spread, counts; or why there is none. */
  readonly detail: string;
}

/** A row from a ratio of medians. */
export function ratioRow(what: string, asked: Asked | undefined, { ratio, spread, medians }: Ratio, note = ''): Row {
  const [a, b] = medians.map(milliseconds);
  const [low, high] = spread.map((value) => value.toFixed(2));
  return { what, asked, reached: ratio, detail: `${a} ÷ ${b}, ${low} to ${high}${note && `; ${note}`}` };
}

/** A row that cannot be measured yet. */
export function absentRow(what: string, asked: Asked, why: string): Row {
  return { what, asked, reached: undefined, detail: why };
}

export function isReached({ asked, reached }: Row): boolean {
  if (reached === undefined || asked === undefined) return false;
  return 'atMost' in asked ? reached <= asked.atMost : reached >= asked.atLeast;
}

/** A table in Markdown, fit for a terminal and for docs/performance.md. */
export function table(rows: readonly Row[]): string {
  const head = ['', 'asked', 'reached', '', 'medians, spread'];
  const body = rows.map((row) => [
    row.what,
    row.asked === undefined ? '' : 'atMost' in row.asked ? `≤ ${row.asked.atMost}` : `≥ ${row.asked.atLeast}`,
    row.reached === undefined ? '–' : significant(row.reached),
    row.reached === undefined || row.asked === undefined ? '' : isReached(row) ? 'yes' : 'NO',
    row.detail,
  ]);
  const widths = head.map((title, n) => Math.max(...[title, ...body.map((cells) => cells[n] ?? '')].map(length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => cell + ' '.repeat((widths[n] ?? 0) - length(cell))).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}

function length(text: string): number {
  return [...text].length;
}

function significant(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}
