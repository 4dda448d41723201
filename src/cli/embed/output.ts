import { namesBeside } from '../../cache/stored.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { npyHeader } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { type EmbeddingRun, embeddingLine, nameLine, namesHead, npyRow } from '../../output/embeddings.ts';
import { FileOutput } from '../../output/file-output.ts';
import { type Counts, NONE_KEPT, openStream, type ResultOutput } from '../../output/result-output.ts';
import type { ResultSink } from '../../output/result-sink.ts';
import type { Io } from '../io.ts';

export const EMBEDDING_FORMATS = ['jsonl', 'npy'] as const;
export type EmbeddingFormat = (typeof EMBEDDING_FORMATS)[number];

/**
 * The format that was asked for, else that of the file's extension, else jsonl.
 *
 * @throws UsageError for .npy on standard output: its first bytes say how many rows follow
 */
export function embeddingFormat(format: EmbeddingFormat | undefined, file: string | undefined): EmbeddingFormat {
  const extension = /\.([a-z]+)$/iu.exec(file ?? '.jsonl')?.[1]?.toLowerCase();
  const chosen = format ?? EMBEDDING_FORMATS.find((one) => one === extension);
  if (chosen === undefined)
    throw new UsageError(
      `cannot tell the output format from the extension of ${file}`,
      'use .jsonl or .npy, or add --format',
    );
  if (chosen === 'npy' && file === undefined)
    throw new UsageError('npy cannot be written to standard output', 'add --output <file.npy>, or use jsonl');
  return chosen;
}

/** The files that embeddings are written to. */
export function filesWritten(format: EmbeddingFormat, file: string): string[] {
  return format === 'npy' ? [file, namesBeside(file)] : [file];
}

/** Takes embeddings and writes them in a format. @throws OutputError when it begins */
export function embeddingSink(
  format: EmbeddingFormat,
  file: string | undefined,
  run: EmbeddingRun,
  io: Io,
): ResultSink<Embedded> {
  if (format === 'npy' && file !== undefined) return new NpySink(file, run);
  let output: ResultOutput | undefined;
  return {
    async begin() {
      output = await openStream(file, io.stdout);
    },
    add: async (one) => output?.row(embeddingLine(run, one), one.ok),
    end: async () => NONE_KEPT,
    close: async () => output?.close(),
  };
}

/** A .npy file, and beside it a file of lines that says what its rows are. */
class NpySink implements ResultSink<Embedded> {
  private rows = 0;
  private columns = 0;
  private files: { readonly numbers: FileOutput; readonly names: FileOutput } | undefined;

  constructor(
    private readonly file: string,
    private readonly run: EmbeddingRun,
  ) {}

  async begin(): Promise<void> {
    const numbers = await FileOutput.create(this.file);
    const names = await FileOutput.create(namesBeside(this.file));
    this.files = { numbers, names };
    await numbers.write(npyHeader(0, 0));
    await names.write(namesHead(this.run));
  }

  async add(one: Embedded): Promise<void> {
    if (one.ok) await this.files?.numbers.write(npyRow(one));
    await this.files?.names.write(nameLine(this.run, one, this.rows));
    if (!one.ok) return;
    this.rows++;
    this.columns = one.embedding.columns;
  }

  /** Whatever ended the run: the header says how many rows there are. */
  async end(): Promise<Counts> {
    await this.files?.numbers.rewrite(npyHeader(this.rows, this.columns));
    return NONE_KEPT;
  }

  async close(): Promise<void> {
    await this.files?.numbers.close();
    await this.files?.names.close();
  }
}
