import { type ImageError, plain } from '../errors.ts';
import { jsonLinesWriter, jsonWriter } from './json.ts';
import type { Canvas } from './table.ts';
import type { ResultWriter, RunInfo } from './writer.ts';

/** The output formats, as `--format` names them. */
export const FORMATS = ['table', 'json', 'jsonl', 'csv', 'tsv', 'label', 'parquet'] as const;
export type Format = (typeof FORMATS)[number];

/** The text formats. Each has a writer. */
export type TextFormat = Exclude<Format, 'parquet'>;

/** The writer of a format. Only the packages of this format are loaded. */
export async function createWriter(
  format: TextFormat,
  run: RunInfo,
  canvas: Canvas & {
    readonly bom?: boolean;
    readonly safe?: boolean;
    readonly onError?: (error: ImageError) => unknown;
  },
): Promise<ResultWriter> {
  switch (format) {
    case 'table':
      return (await import('./table.ts')).tableWriter(canvas);
    case 'json':
      return jsonWriter(run);
    case 'jsonl':
      return jsonLinesWriter(run);
    case 'csv':
      return (await import('./csv.ts')).csvWriter(',', { ...canvas, pages: run.pages ?? false });
    case 'tsv':
      return (await import('./csv.ts')).csvWriter('\t', { ...canvas, pages: run.pages ?? false });
    case 'label':
      return {
        begin: () => '',
        row: (result) => {
          if (!result.ok) canvas.onError?.(result.error);
          return `${result.ok ? plain(result.label ?? '') : ''}\n`;
        },
        end: () => '',
      };
  }
}

/** The format of a file extension. */
export function formatOfFile(path: string): Format | undefined {
  const extension = /\.([a-z]+)$/iu.exec(path)?.[1]?.toLowerCase();
  return FORMATS.find((format) => format === extension);
}
