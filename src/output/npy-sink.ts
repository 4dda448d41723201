import { rm } from 'node:fs/promises';
import { throwCannotWrite } from '../disk/whole-file.ts';
import type { Embedded } from '../embed/encoder.ts';
import { namesBeside, npyHeader } from '../embed/npy.ts';
import { type EmbeddingRun, type NumberType, nameLine, namesHead, npyRow } from './embeddings.ts';
import { OutputLock } from './output-lock.ts';
import { type Counts, NONE_KEPT } from './result-output.ts';
import type { ResultSink } from './result-sink.ts';
import { WholeFile } from './whole-file.ts';

const BYTES = { float32: 4, float16: 2 } as const;
const DESCR = { float32: '<f4', float16: '<f2' } as const;

/** A .npy file, and next to it a file with a line for each of its rows. */
export class NpySink implements ResultSink<Embedded> {
  private rows = 0;
  private columns = 0;
  private lock: OutputLock | undefined;
  private numbers: WholeFile | undefined;
  private names: WholeFile | undefined;

  constructor(
    private readonly file: string,
    private readonly run: EmbeddingRun,
    private readonly type: NumberType = 'float32',
  ) {}

  async begin(): Promise<void> {
    this.lock = await OutputLock.take(this.file);
    this.numbers = await WholeFile.create(this.lock.path, this.lock);
    this.names = await WholeFile.create(namesBeside(this.lock.path), this.lock);
    await this.numbers.write(npyHeader(0, 0, DESCR[this.type]));
    await this.names.write(namesHead(this.run));
  }

  async add(one: Embedded): Promise<void> {
    if (one.ok) await this.numbers?.write(npyRow(one, this.type));
    await this.names?.write(nameLine(this.run, one, this.rows));
    if (!one.ok) return;
    this.rows++;
    this.columns = one.embedding.columns;
  }

  /** Also after an early end, both files have the same rows, and the header has their number. */
  async end(): Promise<Counts> {
    const { lock, numbers, names } = this;
    if (lock === undefined || numbers === undefined || names === undefined) return NONE_KEPT;
    const header = npyHeader(this.rows, this.columns, DESCR[this.type]);
    await numbers.cutAt(header.length + BYTES[this.type] * this.rows * this.columns).catch(throwCannotWrite(lock.path));
    await numbers.rewrite(header);
    await lock.check(true);
    // Between the two renames there is no .npy file, so rows and names of two runs are never paired.
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
