import crypto, { createHash, randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { row, type UnitRows, unitRows } from '../tensor.ts';

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

const MAGIC = Buffer.from('CLIPEMB\n');
const VERSION = 1;
/** Limits what is allocated before a digest is checked (CWE-770). */
const [MAX_FACTS, MAX_COLUMNS, MAX_BLOCK] = [65_536, 65_536, 65_536];
const [KEY, DIGEST, NOTES] = [32, 32, 8];
const SLAB_ROWS = 256;

/** Do not follow links, and do not wait for a FIFO. */
const PLAIN_FILE = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** File name endings of finished and unfinished segments. Readers use both. */
export const [FINISHED, UNFINISHED] = ['.emb', '.part'] as const;

/*
 * A segment: a header, then blocks, of which one is appended at a time. All numbers are little-endian.
 *
 *   header  magic[8] version[4] length[4] facts[length] sha256[32]
 *   block   count[4] keys[count · 32] sha256[32]  record[count]
 *   record  notes[2 · 4] embedding[D · 4] sha256[32]
 *
 * The sha256 of a block and of a record are over the header's too, so that neither is believed in another file; that of a
 * record is over its key. So whatever is cut, flipped or swapped is noticed, and a block that was half written when its
 * process was killed is ignored.
 */

/** A segment, open for reading. Reads are synchronous: two kilobytes out of the page cache take microseconds. */
export class SegmentReader {
  /** Where each record is, by the key as latin1. */
  readonly places = new Map<string, number>();
  /** Whether every block is complete. */
  whole = false;
  /** The data of a record and its sha256. */
  private readonly scratch: Buffer;
  private slab = new Float32Array();

  private constructor(
    readonly path: string,
    private readonly file: number,
    readonly size: number,
    private readonly digest: Buffer,
    /** D */
    readonly columns: number,
  ) {
    this.scratch = Buffer.concat([digest, Buffer.alloc(KEY + this.recordBytes)]);
  }

  /** @returns undefined if the file cannot be read, its beginning is damaged, or it has other facts */
  static open(path: string, facts: string): SegmentReader | undefined {
    let file: number | undefined;
    try {
      file = openSync(path, PLAIN_FILE);
      const info = fstatSync(file);
      const header = info.isFile() ? readHeader(file, facts) : undefined;
      if (header !== undefined) {
        const reader = new SegmentReader(path, file, info.size, header.digest, header.columns);
        reader.index(header.end);
        return reader;
      }
    } catch {
      // it was deleted, or may not be read
    }
    if (file !== undefined) closeSync(file);
    return undefined;
  }

  private get recordBytes(): number {
    return NOTES + 4 * this.columns + DIGEST;
  }

  private index(start: number): void {
    let at = start;
    while (at < this.size) {
      const count = readExactly(this.file, at, 4)?.readUInt32LE() ?? 0;
      if (count < 1 || count > MAX_BLOCK) return;
      const head = readExactly(this.file, at, 4 + count * KEY + DIGEST);
      if (head === undefined || !digestOf(this.digest, head.subarray(0, -DIGEST)).equals(head.subarray(-DIGEST)))
        return;
      at += head.length;
      for (let n = 0; n < count; n++, at += this.recordBytes) {
        if (at + this.recordBytes > this.size) return;
        this.places.set(head.toString('latin1', 4 + n * KEY, 4 + (n + 1) * KEY), at);
      }
    }
    this.whole = true;
  }

  /** @returns undefined if the record is damaged, or is not a unit embedding */
  read(key: Uint8Array, place: number): Stored | undefined {
    const { scratch } = this;
    const body = DIGEST + KEY + NOTES + 4 * this.columns;
    try {
      if (readSync(this.file, scratch, DIGEST + KEY, this.recordBytes, place) !== this.recordBytes) return undefined;
      scratch.set(key, DIGEST);
      if (!sha256(scratch.subarray(0, body)).equals(scratch.subarray(body))) return undefined;
      const data = this.newRow();
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(scratch.subarray(DIGEST + KEY + NOTES, body));
      const embedding = unitRows({ rows: 1, columns: this.columns, data });
      const notes = DIGEST + KEY;
      return embedding && { embedding, notes: [scratch.readUInt32LE(notes), scratch.readUInt32LE(notes + 4)] };
    } catch {
      return undefined; // the disk itself is damaged
    }
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

function readHeader(file: number, facts: string): { digest: Buffer; columns: number; end: number } | undefined {
  const start = readExactly(file, 0, 16);
  if (start === undefined || !start.subarray(0, 8).equals(MAGIC) || start.readUInt32LE(8) !== VERSION) return undefined;
  const length = start.readUInt32LE(12);
  if (length > MAX_FACTS) return undefined;
  const rest = readExactly(file, 16, length + DIGEST);
  if (rest === undefined) return undefined;
  const text = rest.subarray(0, length);
  const digest = digestOf(start, text);
  if (!digest.equals(rest.subarray(length))) return undefined;
  const { facts: own, columns } = JSON.parse(text.toString('utf8')) as { facts?: unknown; columns?: unknown };
  if (own !== facts || typeof columns !== 'number' || !(columns >= 1 && columns <= MAX_COLUMNS)) return undefined;
  return { digest, columns, end: 16 + length + DIGEST };
}

/** A segment for writing. Readers can use it from its first block on. */
export class SegmentWriter {
  private end = 0;

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly digest: Buffer,
    /** D */
    readonly columns: number,
  ) {}

  /** @param columns D */
  static async create(folder: string, facts: string, columns: number): Promise<SegmentWriter> {
    const path = join(folder, `${randomUUID()}${UNFINISHED}`);
    const handle = await open(path, 'wx', 0o600);
    const text = Buffer.from(JSON.stringify({ facts, columns }));
    const start = Buffer.concat([MAGIC, uint32(VERSION), uint32(text.length)]);
    const writer = new SegmentWriter(path, handle, digestOf(start, text), columns);
    try {
      await writer.write(Buffer.concat([start, text, writer.digest]));
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

  /** Renames the segment to its final name. A block that is only partly written because of a full disk is truncated. */
  async close(): Promise<void> {
    try {
      await this.handle.truncate(this.end);
    } finally {
      await this.handle.close();
    }
    await rename(this.path, this.path.slice(0, -UNFINISHED.length) + FINISHED);
  }
}

function readExactly(file: number, position: number, length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(length);
  return readSync(file, bytes, 0, length, position) === length ? bytes : undefined;
}

function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Node has a shorter function since 20.12. */
function sha256(bytes: Uint8Array): Buffer {
  return 'hash' in crypto ? crypto.hash('sha256', bytes, 'buffer') : digestOf(bytes);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
