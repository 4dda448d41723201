import type { Embedded } from '../../embed/encoder.ts';
import { namesBeside } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { type EmbeddingRun, embeddingLine, type NumberType } from '../../output/embeddings.ts';
import { NpySink } from '../../output/npy-sink.ts';
import { openOutputFile } from '../../output/open-output.ts';
import type { ParquetRun } from '../../output/parquet/tables.ts';
import { NONE_KEPT, type ResultOutput } from '../../output/result-output.ts';
import type { ResultSink } from '../../output/result-sink.ts';
import { standardOutput, streamOutput } from '../../output/stream-output.ts';
import type { Io } from '../io.ts';

export const EMBEDDING_FORMATS = ['jsonl', 'npy', 'parquet'] as const;
export type EmbeddingFormat = (typeof EMBEDDING_FORMATS)[number];

/**
 * The requested format, or the format of the file's extension, or jsonl.
 *
 * @throws UsageError for .npy and .parquet on standard output, because their first or last bytes contain the number of rows
 */
export function embeddingFormat(format: EmbeddingFormat | undefined, file: string | undefined): EmbeddingFormat {
  const extension = /\.([a-z]+)$/iu.exec(file ?? '.jsonl')?.[1]?.toLowerCase();
  const chosen = format ?? EMBEDDING_FORMATS.find((one) => one === extension);
  if (chosen === undefined)
    throw new UsageError(
      `cannot tell the output format from the extension of ${file}`,
      'use .jsonl, .npy or .parquet, or add --format',
    );
  if (chosen !== 'jsonl' && file === undefined)
    throw new UsageError(
      `${chosen} cannot be written to standard output`,
      `add --output <file.${chosen}>, or use jsonl`,
    );
  return chosen;
}

/** The output files for embeddings. */
export function filesWritten(format: EmbeddingFormat, file: string): string[] {
  return format === 'npy' ? [file, namesBeside(file)] : [file];
}

/** Writes embeddings in a format. @throws OutputError when it begins */
export async function embeddingSink(
  format: EmbeddingFormat,
  file: string | undefined,
  run: EmbeddingRun & ParquetRun,
  type: NumberType,
  io: Io,
  /** Whether a file of lines is written whole or not at all. */
  kind: 'lines' | 'whole' = 'lines',
): Promise<ResultSink<Embedded>> {
  if (format === 'npy' && file !== undefined) return new NpySink(file, run, type);
  if (format === 'parquet' && file !== undefined) {
    const [{ ParquetSink }, { embeddingTable }] = await Promise.all([
      import('../../output/parquet/sink.ts'),
      import('../../output/parquet/tables.ts'),
    ]);
    return new ParquetSink(file, embeddingTable(run, type));
  }
  let output: ResultOutput | undefined;
  return {
    async begin() {
      output = file === undefined ? streamOutput(standardOutput(io.stdout)) : await openOutputFile(file, kind);
      await output.head('');
    },
    add: async (one) => output?.row(embeddingLine(run, one)),
    end: async () => (await output?.tail('')) ?? NONE_KEPT,
    close: async () => output?.close(),
  };
}
