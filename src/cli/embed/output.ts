import { rm } from 'node:fs/promises';
import { namesBeside } from '../../cache/stored.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { npyHeader } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { type EmbeddingRun, embeddingLine, nameLine, namesHead, npyRow } from '../../output/embeddings.ts';
import { openOutputFile } from '../../output/open-output.ts';
import { OutputLock } from '../../output/output-lock.ts';
import { type Counts, NONE_KEPT, type ResultOutput } from '../../output/result-output.ts';
import type { ResultSink } from '../../output/result-sink.ts';
import { throwCannotWrite } from '../../output/sink.ts';
import { standardOutput, streamOutput } from '../../output/stream-output.ts';
import { WholeFile } from '../../output/whole-file.ts';
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
      output = file === undefined ? streamOutput(standardOutput(io.stdout)) : await openOutputFile(file, 'lines');
    },
    add: async (one) => output?.row(embeddingLine(run, one)),
    end: async () => NONE_KEPT,
    close: async () => output?.close(),
  };
}

/** A .npy file, and next to it a file of lines that name its rows. */
class NpySink implements ResultSink<Embedded> {
  private rows = 0;
  private columns = 0;
  private lock: OutputLock | undefined;
  private numbers: WholeFile | undefined;
  private names: WholeFile | undefined;

  constructor(
    private readonly file: string,
    private readonly run: EmbeddingRun,
  ) {}

  async begin(): Promise<void> {
    this.lock = await OutputLock.take(this.file);
    this.numbers = await WholeFile.create(this.lock.path, this.lock);
    this.names = await WholeFile.create(namesBeside(this.lock.path), this.lock);
    await this.numbers.write(npyHeader(0, 0));
    await this.names.write(namesHead(this.run));
  }

  async add(one: Embedded): Promise<void> {
    if (one.ok) await this.numbers?.write(npyRow(one));
    await this.names?.write(nameLine(this.run, one, this.rows));
    if (!one.ok) return;
    this.rows++;
    this.columns = one.embedding.columns;
  }

  /** Whatever ended the run, both files have the same rows, and the header says how many. */
  async end(): Promise<Counts> {
    const { lock, numbers, names } = this;
    if (lock === undefined || numbers === undefined || names === undefined) return NONE_KEPT;
    const header = npyHeader(this.rows, this.columns);
    await numbers.cutAt(header.length + 4 * this.rows * this.columns).catch(throwCannotWrite(lock.path));
    await numbers.rewrite(header);
    await lock.check(true);
    // Between the two renames there is no .npy file: rows never belong to the names of another run.
    await rm(lock.path, { force: true }).catch(throwCannotWrite(lock.path));
    await names.commit();
    await numbers.commit();
    return NONE_KEPT;
  }

  async close(): Promise<void> {
    await this.names?.discard();
    await this.numbers?.discard();
    await this.lock?.release();
  }
}
