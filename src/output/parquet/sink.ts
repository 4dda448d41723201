import { OutputLock } from '../output-lock.ts';
import { type Counts, NONE_KEPT } from '../result-output.ts';
import type { ResultSink } from '../result-sink.ts';
import { WholeFile } from '../whole-file.ts';
import { type Column, type Metadata, ParquetWriter } from './writer.ts';

/** How results become rows. */
export interface ParquetTable<Result> {
  readonly metadata: Metadata;
  /** The most rows of a group. One group is in memory. */
  readonly groupRows: number;
  readonly columns: (results: readonly Result[]) => readonly Column[];
}

/** A Parquet file, written whole or not at all. Also after an early end, it has all finished rows. */
export class ParquetSink<Result> implements ResultSink<Result> {
  private group: Result[] = [];
  private lock: OutputLock | undefined;
  private file: WholeFile | undefined;
  private writer: ParquetWriter | undefined;

  /** @param locked a lock that the caller holds and releases, because the caller writes other output files too */
  constructor(
    private readonly path: string,
    private readonly table: ParquetTable<Result>,
    private readonly locked?: OutputLock,
  ) {}

  /** @throws OutputError */
  async begin(): Promise<void> {
    if (this.locked === undefined) this.lock = await OutputLock.take(this.path);
    const lock = this.locked ?? this.lock;
    if (lock === undefined) return;
    const file = await WholeFile.create(this.locked === undefined ? lock.path : this.path, lock);
    this.file = file;
    this.writer = await ParquetWriter.open(this.table.metadata, this.table.groupRows, (bytes) => file.write(bytes));
  }

  async add(result: Result): Promise<void> {
    this.group.push(result);
    if (this.group.length >= this.table.groupRows) await this.flush();
  }

  async end(): Promise<Counts> {
    await this.flush();
    await this.writer?.end(this.table.columns([]));
    await this.file?.commit();
    this.file = undefined;
    return NONE_KEPT;
  }

  async close(): Promise<void> {
    await this.file?.discard();
    await this.lock?.release();
  }

  private async flush(): Promise<void> {
    if (this.group.length === 0) return;
    const rows = this.group;
    this.group = [];
    await this.writer?.add(this.table.columns(rows));
  }
}
