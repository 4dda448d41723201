import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { createOwnFile, openOwnFile } from '../disk/plain-file.ts';
import type { ImageErrorCode } from '../errors.ts';

/** What is known of a written row. */
export interface WrittenRow {
  /** Where the row begins and ends in the output, in bytes. */
  readonly start: number;
  readonly end: number;
  /** Names the image. */
  readonly key: string;
  readonly identity: Identity;
  /** The code of an error row. */
  readonly failure?: ImageErrorCode;
  /** Of the bytes of the row. */
  readonly digest: string;
}

/** What is known of an image's file, before it was read. Absent fields: nothing tells (standard input), or nobody asked. */
export interface Identity {
  /** Size, times of change and inode; 'url' for a URL, 'absent' if there was no file. */
  readonly stamp?: string;
  /** sha256 of the contents, if `--checksum` asked for it. */
  readonly sha256?: string;
}

/** A row as the journal has it. */
export interface JournalRow extends WrittenRow {
  /** Where its line ends in the journal, in bytes. */
  readonly lineEnd: number;
}

/** Lines of this many bytes are read at once. */
const CHUNK = 1 << 16;
/** A path has at most 4 KiB; a longer line is no journal. */
const LONGEST_LINE = 1 << 20;

/**
 * Next to an output, a line for each row in it, written after the row: where the row ends, its digest and which image it is of.
 * What the journal does not know was not written, as far as anyone can tell.
 */
export class Journal {
  private constructor(
    private readonly handle: FileHandle,
    /** Bytes of lines that are true. */
    private length: number,
  ) {}

  /** Begins a journal; `head` is what the output begins with before its first row. */
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
   * The rows from the beginning, as long as the lines make sense and end within `size` bytes of output; a partial last line
   * does not. The first is the head, its key empty.
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

  /** Ends the journal after a row: what is added comes next. */
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

/** Of the bytes of a row: 64 bits notice what somebody edited. */
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
  // A code of another version is compared with the known ones only.
  const code = typeof failure === 'string' ? { failure: failure as ImageErrorCode } : {};
  return { start, end: end as number, digest, key, identity: known, ...code };
}
