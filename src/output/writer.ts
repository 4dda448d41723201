import type { ImageResult } from '../classifier.ts';

/** What all rows of a run have in common. */
export interface RunInfo {
  readonly model: string;
  /** The provider that ran the model; null if no image was encoded. Called after the first result. */
  provider(): Promise<string | null>;
  /** The precision of the image encoder; null if stored embeddings are ranked. */
  readonly dtype: string | null;
  readonly templates: readonly string[];
  /** Whether each page has its own row. */
  readonly pages?: boolean;
}

/** Formats results as text, or as bytes for paths that are not UTF-8. The owner of the stream writes them. */
export interface ResultWriter {
  /** The text before the first row; called when the first row is ready. */
  begin(): string | Promise<string>;
  row(result: ImageResult): string | Uint8Array;
  /** The text after the last row. */
  end(): string;
}

/** Rounds to six significant digits, because float32 arithmetic gives no more. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
