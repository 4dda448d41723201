import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwCannotWrite } from '../disk/whole-file.ts';
import type { Embedded } from '../embed/encoder.ts';
import { npyHeader } from '../embed/npy.ts';
import { type EmbeddingRun, embeddingLine, npyRow } from './embeddings.ts';
import { OutputLock } from './output-lock.ts';
import { ParquetSink } from './parquet/sink.ts';
import { metadataTable, type ParquetRun } from './parquet/tables.ts';
import { type Counts, NONE_KEPT } from './result-output.ts';
import type { ResultSink } from './result-sink.ts';
import { WholeFile } from './whole-file.ts';

/** The files of one part in clip-retrieval's layout. */
export interface RetrievalFiles {
  /** float16 rows. */
  readonly embeddings: string;
  /** A row for each of them. */
  readonly metadata: string;
  /** JSON lines of the images that failed. Absent if no image failed. */
  readonly errors: string;
}

/**
 * The layout of clip-retrieval (its writer.py), which embedding-reader and autofaiss read. They pair the n-th file of embeddings
 * with the n-th file of metadata, so a part has both files, or no file if it has no rows.
 */
export class RetrievalSink implements ResultSink<Embedded> {
  private rows = 0;
  private columns = 0;
  private failures = 0;
  private lock: OutputLock | undefined;
  private numbers: WholeFile | undefined;
  private errors: WholeFile | undefined;
  private metadata: ParquetSink<Embedded> | undefined;

  constructor(
    private readonly files: RetrievalFiles,
    private readonly run: EmbeddingRun & ParquetRun,
  ) {}

  async begin(): Promise<void> {
    for (const file of Object.values(this.files))
      await mkdir(dirname(file), { recursive: true }).catch(throwCannotWrite(file));
    this.lock = await OutputLock.take(this.files.embeddings);
    this.numbers = await WholeFile.create(this.files.embeddings, this.lock);
    this.errors = await WholeFile.create(this.files.errors, this.lock);
    this.metadata = new ParquetSink(this.files.metadata, metadataTable(this.run), this.lock);
    await this.metadata.begin();
    await this.numbers.write(npyHeader(0, 0, '<f2'));
  }

  async add(one: Embedded): Promise<void> {
    if (!one.ok) {
      this.failures++;
      return this.errors?.write(embeddingLine(this.run, one));
    }
    await this.numbers?.write(npyRow(one, 'float16'));
    await this.metadata?.add(one);
    this.rows++;
    this.columns = one.embedding.columns;
  }

  async end(): Promise<Counts> {
    const { embeddings, metadata, errors } = this.files;
    // Files of an earlier part with this name are removed first, so that rows and names of two runs are never paired.
    for (const file of [embeddings, metadata, errors]) await rm(file, { force: true }).catch(throwCannotWrite(file));
    if (this.failures > 0) await this.errors?.commit();
    if (this.rows === 0) return NONE_KEPT;
    await this.numbers?.rewrite(npyHeader(this.rows, this.columns, '<f2'));
    await this.metadata?.end();
    await this.numbers?.commit();
    return NONE_KEPT;
  }

  async close(): Promise<void> {
    await this.metadata?.close();
    await this.numbers?.discard();
    await this.errors?.discard();
    await this.lock?.release();
  }

  /** The files that were written. */
  written(): readonly string[] {
    const { embeddings, metadata, errors } = this.files;
    return [...(this.rows > 0 ? [embeddings, metadata] : []), ...(this.failures > 0 ? [errors] : [])];
  }
}
