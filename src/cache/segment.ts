import crypto, { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../disk/exists.ts';
import { row, type UnitRows, unitRows } from '../tensor.ts';
import { KeyTable } from './key-table.ts';
import { DIGEST, digestOf, encodeHeader, openPlain, readExactly, readHeader, uint32 } from './segment-header.ts';

/** Two numbers that are stored with an embedding. Their meaning is up to the caller. */
export type Notes = readonly [number, number];

/** An embedding under its key. */
export interface Entry {
  /** 32 bytes */
  readonly key: Uint8Array;
  /** [1, D] */
  readonly embedding: UnitRows;
  readonly notes: Notes;
}

/** An entry of a segment. */
export type Stored = Omit<Entry, 'key'>;

/** Limits what is allocated before a digest is checked (CWE-770). */
const MAX_BLOCK = 65_536;
/** The most keys for which there is room before any is read. */
const MOST_EXPECTED = 250_000;
const [KEY, NOTES] = [32, 8];
const SLAB_ROWS = 256;
/** Bytes of the first read of a block: its count and mostly all its keys. */
const HEAD_READ = 2048;
/** Bytes of one read if records are read in order. */
const READ_AHEAD = 262_144;

/** Endings of the file names. Readers use unfinished segments too. */
export const [FINISHED, UNFINISHED] = ['.emb', '.part'] as const;

/*
 * A segment: a header (segment-header.ts), then blocks. Each write appends one block. All numbers are little-endian.
 *
 *   block   count[4] keys[count · 32] sha256[32]  record[count]
 *   record  notes[2 · 4] embedding[D · 4] sha256[32]
 *
 * The sha256 of a block and of a record also cover the sha256 of the header, so that neither is valid in another file. The sha256 of a
 * record also covers its key. So truncated, changed and exchanged bytes are noticed. A partial block of a killed process is ignored.
 */

/** A segment, open for reading. Reads are synchronous, because two kilobytes from the page cache take microseconds. */
export class SegmentReader {
  /** The position of each record in the file. */
  readonly places: KeyTable;
  /** Whether every block is complete. */
  whole = false;
  /** The data of a record and its sha256. */
  private readonly scratch: Buffer;
  private slab = new Float32Array();
  /** The bytes of the file from `start` to `end`, and the end of the last record. */
  private readonly ahead = { start: 0, end: 0, last: 0, bytes: undefined as Buffer | undefined };

  private constructor(
    readonly path: string,
    private readonly file: number,
    readonly size: number,
    private readonly digest: Buffer,
    /** D */
    readonly columns: number,
  ) {
    this.places = new KeyTable(Math.min(Math.floor(size / (KEY + this.recordBytes)), MOST_EXPECTED));
    this.scratch = Buffer.concat([digest, Buffer.alloc(KEY + this.recordBytes)]);
  }

  /**
   * @returns 'rubbish' if its header is damaged, or has other facts
   * @throws Error if it cannot be opened or read: it was deleted, belongs to another user, or too many files are open
   */
  static open(path: string, facts: string): SegmentReader | 'rubbish' {
    const file = openPlain(path);
    try {
      const info = fstatSync(file);
      const header = info.isFile() ? readHeader(file) : undefined;
      if (header !== undefined && header.facts === facts) {
        const reader = new SegmentReader(path, file, info.size, header.digest, header.columns);
        reader.index(header.end);
        return reader;
      }
    } catch (error) {
      closeSync(file);
      throw error;
    }
    closeSync(file);
    return 'rubbish';
  }

  private get recordBytes(): number {
    return NOTES + 4 * this.columns + DIGEST;
  }

  private index(start: number): void {
    let at = start;
    while (at < this.size) {
      const start = Math.min(HEAD_READ, this.size - at);
      const first = start < 4 ? undefined : readExactly(this.file, at, start);
      const count = first?.readUInt32LE() ?? 0;
      if (count < 1 || count > MAX_BLOCK) return;
      const length = 4 + count * KEY + DIGEST;
      const head = length <= start ? first?.subarray(0, length) : readExactly(this.file, at, length);
      if (head === undefined || !digestOf(this.digest, head.subarray(0, -DIGEST)).equals(head.subarray(-DIGEST)))
        return;
      at += head.length;
      for (let n = 0; n < count; n++, at += this.recordBytes) {
        if (at + this.recordBytes > this.size) return;
        this.places.set(head, 4 + n * KEY, at);
      }
    }
    this.whole = true;
  }

  /** @returns undefined if the record is damaged, or is not a unit embedding */
  read(key: Uint8Array, place: number): Stored | undefined {
    const { scratch } = this;
    const body = DIGEST + KEY + NOTES + 4 * this.columns;
    try {
      if (!this.copyRecord(place)) return undefined;
      scratch.set(key, DIGEST);
      if (sha256(scratch.subarray(0, body)) !== scratch.toString('latin1', body)) return undefined;
      const data = this.newRow();
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(scratch.subarray(DIGEST + KEY + NOTES, body));
      const embedding = unitRows({ rows: 1, columns: this.columns, data });
      const notes = DIGEST + KEY;
      return embedding && { embedding, notes: [scratch.readUInt32LE(notes), scratch.readUInt32LE(notes + 4)] };
    } catch {
      return undefined; // the disk itself is damaged
    }
  }

  /** Records are mostly read in the order in which they were written, so one read of the file fetches many. */
  private copyRecord(place: number): boolean {
    const { scratch, ahead } = this;
    const end = place + this.recordBytes;
    if (place < ahead.start || end > ahead.end) {
      const isNext = place >= ahead.last && place - ahead.last < READ_AHEAD / 2;
      ahead.last = end;
      if (!isNext) return readSync(this.file, scratch, DIGEST + KEY, this.recordBytes, place) === this.recordBytes;
      ahead.bytes ??= Buffer.allocUnsafeSlow(READ_AHEAD + this.recordBytes);
      ahead.start = place;
      ahead.end = place + readSync(this.file, ahead.bytes, 0, ahead.bytes.length, place);
      if (end > ahead.end) return false;
    }
    ahead.last = end;
    ahead.bytes?.copy(scratch, DIGEST + KEY, place - ahead.start, end - ahead.start);
    return true;
  }

  /** Rows share large buffers, because 100,000 small allocations would take most of the time. */
  private newRow(): Float32Array {
    if (this.slab.length < this.columns) this.slab = new Float32Array(SLAB_ROWS * this.columns);
    const data = this.slab.subarray(0, this.columns);
    this.slab = this.slab.subarray(this.columns);
    return data;
  }

  close(): void {
    closeSync(this.file);
  }
}

/** Writes a segment. Other processes can read it from its first block on. */
export class SegmentWriter {
  private end = 0;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly digest: Buffer,
    /** D */
    readonly columns: number,
  ) {}

  /** Bytes. */
  get size(): number {
    return this.end;
  }

  /**
   * @param columns D
   * @param model the name of the model, for people
   */
  static async create(folder: string, facts: string, columns: number, model = ''): Promise<SegmentWriter> {
    const path = join(folder, `${randomUUID()}${UNFINISHED}`);
    const handle = await open(path, 'wx', 0o600);
    const { bytes, digest } = encodeHeader({ facts, columns, model });
    const writer = new SegmentWriter(path, handle, digest, columns);
    try {
      await writer.write(bytes);
    } catch (error) {
      await handle.close();
      await rm(path, { force: true });
      throw error;
    }
    return writer;
  }

  /** @param entries at least one, each of D numbers, at most {@link MAX_BLOCK} */
  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.some(({ embedding }) => embedding.columns !== this.columns))
      throw new RangeError('the embeddings of a segment have one length');
    const head = Buffer.concat([uint32(entries.length), ...entries.map(({ key }) => key)]);
    const records = entries.flatMap(({ key, embedding, notes }) => {
      const { buffer, byteOffset, byteLength } = row(embedding, 0);
      const body = Buffer.concat([...notes.map(uint32), Buffer.from(buffer, byteOffset, byteLength)]);
      return [body, digestOf(this.digest, key, body)];
    });
    await this.write(Buffer.concat([head, digestOf(this.digest, head), ...records]));
  }

  private async write(bytes: Buffer): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const one = await this.handle.write(bytes, written, bytes.length - written, this.end + written);
      written += one.bytesWritten;
    }
    this.end += bytes.length;
  }

  /** Removes a partial block (of a full disk), and renames the segment. If another process has deleted it, it stays deleted. */
  async close(): Promise<void> {
    try {
      await this.handle.truncate(this.end);
    } finally {
      await this.handle.close();
    }
    await rename(this.path, this.path.slice(0, -UNFINISHED.length) + FINISHED).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  }
}

/** The sha256 as latin1, because a text takes half the time of a buffer. Node has a shorter function since 20.12. */
function sha256(bytes: Uint8Array): string {
  return 'hash' in crypto ? crypto.hash('sha256', bytes, 'binary') : digestOf(bytes).toString('latin1');
}
