import type { ImageResult } from '../classifier.ts';

/** What a run has in common for all its rows. */
export interface RunInfo {
  readonly model: string;
  /** What really ran, null where no image did; asked about after the first result. */
  provider(): Promise<string | null>;
  /** Of the images; null where their embeddings were read. */
  readonly dtype: string | null;
  readonly templates: readonly string[];
  /** Whether rows are of pages, not of whole files. */
  readonly pages?: boolean;
}

/** Turns results into text, or into bytes for paths that are not UTF-8. The owner of the stream writes them. */
export interface ResultWriter {
  /** Before the first row, when there is one. */
  begin(): string | Promise<string>;
  row(result: ImageResult): string | Uint8Array;
  /** After the last row. */
  end(): string;
}

/** Six significant digits: more than the arithmetic gives, and no noise behind them. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
