import { type Data, Field, makeData, RecordBatch, Schema, Struct, Table, tableToIPC } from 'apache-arrow';
import {
  Compression,
  EnabledStatistics,
  transformParquetStream,
  type RecordBatch as WasmBatch,
  Table as WasmTable,
  type WriterProperties,
  WriterPropertiesBuilder,
  writeParquet,
} from 'parquet-wasm/esm';
import { loadParquet } from '../parquet-library.ts';

/** A column of a group of rows. */
export interface Column {
  readonly name: string;
  readonly data: Data;
  readonly nullable: boolean;
}

/** The key-value metadata of a file. */
export type Metadata = Readonly<Record<string, string>>;

type Write = (bytes: Uint8Array) => Promise<void>;

/** Writes groups of rows as a Parquet file. One group is in memory. */
export class ParquetWriter {
  private readonly groups = new TransformStream<WasmBatch, WasmBatch>();
  private readonly input = this.groups.writable.getWriter();
  private done: Promise<void> | undefined;

  private constructor(
    private readonly metadata: Metadata,
    private readonly groupRows: number,
    private readonly write: Write,
  ) {
    this.input.closed.catch(() => {}); // `done` reports the error
  }

  /**
   * @param groupRows the most rows of a group
   * @param write takes the bytes of the file, in order
   */
  static async open(metadata: Metadata, groupRows: number, write: Write): Promise<ParquetWriter> {
    await loadParquet();
    return new ParquetWriter(metadata, groupRows, write);
  }

  /** Adds a group of rows. @throws the error that `write` has thrown */
  async add(columns: readonly Column[]): Promise<void> {
    if (this.done === undefined) {
      this.done = this.run();
      this.done.catch(() => {}); // `add` and `end` report the error
    }
    const table = toWasm(columns);
    try {
      for (const batch of table.recordBatches()) await Promise.race([this.input.write(batch), this.done]);
    } finally {
      table.free(); // frees the WebAssembly memory, which the garbage collector does not see
    }
  }

  /**
   * Writes the footer.
   *
   * @param columns the columns for a file without rows
   * @throws the error that `write` has thrown
   */
  async end(columns: readonly Column[]): Promise<void> {
    if (this.done === undefined) return this.write(writeParquet(toWasm(columns), this.properties()));
    await Promise.race([this.input.close(), this.done]);
    await this.done;
  }

  private async run(): Promise<void> {
    const bytes = await transformParquetStream(this.groups.readable, this.properties());
    for await (const chunk of bytes as ReadableStream & AsyncIterable<Uint8Array>) await this.write(chunk);
  }

  private properties(): WriterProperties {
    return new WriterPropertiesBuilder()
      .setCompression(Compression.SNAPPY)
      .setStatisticsEnabled(EnabledStatistics.Chunk)
      .setMaxRowGroupSize(this.groupRows)
      .setKeyValueMetadata(new Map(Object.entries(this.metadata)))
      .setCreatedBy('clip-classify')
      .build();
  }
}

/** The rows are passed to WebAssembly as an Arrow IPC stream. */
function toWasm(columns: readonly Column[]): WasmTable {
  const schema = new Schema(columns.map(({ name, data, nullable }) => new Field(name, data.type, nullable)));
  const length = columns[0]?.data.length ?? 0;
  const children = columns.map(({ data }) => data);
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return WasmTable.fromIPCStream(tableToIPC(new Table(schema, [new RecordBatch(schema, data)]), 'stream'));
}
