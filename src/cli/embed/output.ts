import { namesBeside } from '../../cache/stored.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { npyHeader } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { type EmbeddingRun, embeddingLine, nameLine, namesHead, npyRow } from '../../output/embeddings.ts';
import { FileOutput } from '../../output/file-output.ts';
import { type Counts, openStream } from '../../output/result-output.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import type { Progress } from '../progress.ts';

export const EMBEDDING_FORMATS = ['jsonl', 'npy'] as const;
export type EmbeddingFormat = (typeof EMBEDDING_FORMATS)[number];

/** Where embeddings go. */
interface EmbeddingOutput {
  row(one: Embedded): Promise<void>;
  close(): Promise<void>;
}

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

/** Opens the output at once, so that a wrong path is told before the work. @throws OutputError */
export async function openEmbeddings(
  format: EmbeddingFormat,
  file: string | undefined,
  run: EmbeddingRun,
  io: Io,
): Promise<EmbeddingOutput> {
  if (format === 'npy' && file !== undefined) return NpyOutput.create(file, run);
  const output = await openStream(file, io.stdout);
  return { row: (one) => output.row(embeddingLine(run, one), one.ok), close: () => output.close() };
}

/** A .npy file, and beside it a file of lines that says what its rows are. */
class NpyOutput implements EmbeddingOutput {
  private rows = 0;
  private columns = 0;

  private constructor(
    private readonly numbers: FileOutput,
    private readonly names: FileOutput,
    private readonly run: EmbeddingRun,
  ) {}

  static async create(file: string, run: EmbeddingRun): Promise<NpyOutput> {
    const numbers = await FileOutput.create(file);
    const names = await FileOutput.create(namesBeside(file));
    await numbers.write(npyHeader(0, 0));
    await names.write(namesHead(run));
    return new NpyOutput(numbers, names, run);
  }

  async row(one: Embedded): Promise<void> {
    if (one.ok) await this.numbers.write(npyRow(one));
    await this.names.write(nameLine(this.run, one, this.rows));
    if (!one.ok) return;
    this.rows++;
    this.columns = one.embedding.columns;
  }

  /** Whatever ended the run: the header says how many rows there are. */
  async close(): Promise<void> {
    await this.numbers.rewrite(npyHeader(this.rows, this.columns));
    await this.numbers.close();
    await this.names.close();
  }
}

/** Writes every embedding as soon as it is there. @throws ClosedPipe, OutputError or Interruption */
export async function writeEmbeddings(
  embeddings: AsyncIterator<Embedded>,
  open: () => Promise<EmbeddingOutput>,
  progress: Progress,
  io: Pick<Io, 'interruption'>,
): Promise<Counts> {
  const counts = { ok: 0, failed: 0 };
  let next = await unlessInterrupted(embeddings.next(), io); // where the model cannot run, nothing is written
  const output = await open();
  try {
    for (; !next.done; next = await unlessInterrupted(embeddings.next(), io)) {
      counts[next.value.ok ? 'ok' : 'failed']++;
      progress.makeRoom();
      await output.row(next.value);
      progress.step();
    }
  } finally {
    progress.end();
    await output.close();
  }
  return counts;
}
