import { rm } from 'node:fs/promises';
import { namesBeside } from '../../cache/stored.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { npyHeader } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { type EmbeddingRun, embeddingLine, nameLine, namesHead, npyRow } from '../../output/embeddings.ts';
import { openOutputFile } from '../../output/open-output.ts';
import { OutputLock } from '../../output/output-lock.ts';
import type { Counts } from '../../output/result-output.ts';
import { throwCannotWrite } from '../../output/sink.ts';
import { standardOutput, streamOutput } from '../../output/stream-output.ts';
import { WholeFile } from '../../output/whole-file.ts';
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
    throw new UsageError(`the extension of ${file} says no format`, 'call it .jsonl or .npy, or say --format');
  if (chosen === 'npy' && file === undefined)
    throw new UsageError('npy cannot be written to standard output', 'name a file with --output, or take jsonl');
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
  const output = file === undefined ? streamOutput(standardOutput(io.stdout)) : await openOutputFile(file, 'lines');
  return { row: (one) => output.row(embeddingLine(run, one)), close: () => output.close() };
}

/** A .npy file, and beside it a file of lines that says what its rows are. */
class NpyOutput implements EmbeddingOutput {
  private rows = 0;
  private columns = 0;

  private constructor(
    private readonly lock: OutputLock,
    private readonly numbers: WholeFile,
    private readonly names: WholeFile,
    private readonly run: EmbeddingRun,
  ) {}

  static async create(file: string, run: EmbeddingRun): Promise<NpyOutput> {
    const lock = await OutputLock.take(file);
    const opened: WholeFile[] = [];
    try {
      const numbers = await WholeFile.create(lock.path, lock);
      opened.push(numbers);
      const names = await WholeFile.create(namesBeside(lock.path), lock);
      opened.push(names);
      await numbers.write(npyHeader(0, 0));
      await names.write(namesHead(run));
      return new NpyOutput(lock, numbers, names, run);
    } catch (error) {
      for (const one of opened) await one.discard();
      await lock.release();
      throw error;
    }
  }

  async row(one: Embedded): Promise<void> {
    if (one.ok) await this.numbers.write(npyRow(one));
    await this.names.write(nameLine(this.run, one, this.rows));
    if (!one.ok) return;
    this.rows++;
    this.columns = one.embedding.columns;
  }

  /** Whatever ended the run, both files have the same rows, and the header says how many. */
  async close(): Promise<void> {
    const { numbers, names, lock } = this;
    try {
      const header = npyHeader(this.rows, this.columns);
      await numbers.cutAt(header.length + 4 * this.rows * this.columns).catch(throwCannotWrite(lock.path));
      await numbers.rewrite(header);
      // Between the two renames there is no .npy file: rows never belong to the names of another run.
      await rm(lock.path, { force: true }).catch(throwCannotWrite(lock.path));
      await names.commit();
      await numbers.commit();
    } finally {
      await names.discard();
      await numbers.discard();
      await lock.release();
    }
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
  } catch (error) {
    progress.end();
    await output.close().catch(() => {}); // what follows from a failure hides its cause
    throw error;
  }
  progress.end();
  await output.close();
  return counts;
}
