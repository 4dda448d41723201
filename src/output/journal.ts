import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { createOwnFile, openOwnFile } from '../disk/plain-file.ts';
import type { ImageErrorCode } from '../errors.ts';

/** A written row. */
export interface WrittenRow {
  /** Where the row begins and ends in the output, in bytes. */
  readonly start: number;
  readonly end: number;
  /** Names the image. */
  readonly key: string;
  readonly identity: Identity;
  /** The code of an error row. */
  readonly failure?: ImageErrorCode;
  /** A digest of the bytes of the row. */
  readonly digest: string;
}

/** The state of an image's file before it was read. Fields are absent for standard input, or if they are not needed. */
export interface Identity {
  /** Size, times of change and inode; 'url' for a URL, 'absent' if there was no file. */
  readonly stamp?: string;
  /** sha256 of the contents, with `--checksum`. */
  readonly sha256?: string;
}

/** A row in the journal. */
export interface JournalRow extends WrittenRow {
  /** The end of its line in the journal, in bytes. */
  readonly lineEnd: number;
}

/** Bytes of the journal that are read at once. */
const CHUNK = 1 << 16;
/** The longest line. A path has at most 4 KiB, so a longer line means that the file is not a journal. */
const LONGEST_LINE = 1 << 20;

/**
 * The journal of an output: one line for each row, written after the row, with the end of the row, its digest and its image. A row
 * without a line in the journal counts as not written.
 */
export class Journal {
  private constructor(
    private readonly handle: FileHandle,
    /** Bytes of the valid lines. */
    private length: number,
  ) {}

  /** Begins a journal. `head` is the part of the output before its first row. */
  static async create(path: string, head: Uint8Array): Promise<Journal> {
    const journal = new Journal(await createOwnFile(path), 0);
    await journal.append([head.length, digestOf(head)]);
    return journal;
  }

  static async open(path: string): Promise<Journal> {
    return new Journal(await openOwnFile(path), 0);
  }

  add({ end, digest, key, identity, failure }: WrittenRow): Promise<void> {
    return this.append([end, digest, key, identity, ...(failure === undefined ? [] : [failure])]);
  }

  /**
   * The rows from the beginning, up to the first line that is damaged, partial, or beyond `size` bytes of output. The first row is the
   * head; its key is empty.
   */
  async *rows(size: number): AsyncGenerator<JournalRow> {
    let start = 0;
    for await (const { line, end: lineEnd } of this.lines()) {
      const row = parseRow(line, start);
      if (row === undefined || row.end < start || row.end > size) return;
      start = row.end;
      yield { ...row, lineEnd };
    }
  }

  /** Truncates the journal after a row. New lines are added there. */
  async cutAfter({ lineEnd }: JournalRow): Promise<void> {
    this.length = lineEnd;
    await this.handle.truncate(lineEnd);
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private async append(fields: readonly unknown[]): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(fields)}\n`);
    await this.handle.write(bytes, 0, bytes.length, this.length);
    this.length += bytes.length;
  }

  private async *lines(): AsyncGenerator<{ readonly line: string; readonly end: number }> {
    let rest = Buffer.alloc(0);
    let at = 0;
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const { bytesRead } = await this.handle.read(chunk, 0, CHUNK, at + rest.length);
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        at += end + 1;
        yield { line: rest.toString('utf8', 0, end), end: at };
        rest = rest.subarray(end + 1);
      }
      if (bytesRead === 0 || rest.length > LONGEST_LINE) return;
    }
  }
}

/** A digest of a row. 64 bits are enough to notice a change. */
export function digestOf(row: Uint8Array): string {
  return createHash('sha256').update(row).digest('hex').slice(0, 16);
}

function parseRow(line: string, start: number): WrittenRow | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [end, digest, key = '', identity = {}, failure] = fields as unknown[];
  if (!Number.isSafeInteger(end) || typeof digest !== 'string' || typeof key !== 'string') return undefined;
  const { stamp, sha256 } = Object(identity) as { stamp?: unknown; sha256?: unknown };
  const known = {
    ...(typeof stamp === 'string' && { stamp }),
    ...(typeof sha256 === 'string' && { sha256 }),
  };
  // A code of another version is only compared with known codes.
  const code = typeof failure === 'string' ? { failure: failure as ImageErrorCode } : {};
  return { start, end: end as number, digest, key, identity: known, ...code };
}
