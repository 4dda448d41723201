import { type FileHandle, open } from 'node:fs/promises';

/** What is known of a written row. */
export interface WrittenRow {
  /** Where the row begins and ends in the output, in bytes. */
  readonly start: number;
  readonly end: number;
  /** Names the image. */
  readonly key: string;
  /** What the image's file was, before it was read; null where nothing tells (a URL, standard input). */
  readonly identity: string | null;
  readonly ok: boolean;
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
 * Beside an output, a line for each row in it, written after the row: where the row ends and which image it is of. What
 * the journal does not know was not written, as far as anyone can tell.
 */
export class Journal {
  private constructor(
    private readonly handle: FileHandle,
    /** Bytes of lines that are true. */
    private length: number,
  ) {}

  /** Begins a journal; `head` is how many bytes the output begins with before its first row. */
  static async create(path: string, head: number): Promise<Journal> {
    const journal = new Journal(await open(path, 'w+', 0o600), 0);
    await journal.append([head]);
    return journal;
  }

  static async open(path: string): Promise<Journal> {
    return new Journal(await open(path, 'r+'), 0);
  }

  add({ end, key, identity, ok }: WrittenRow): Promise<void> {
    return this.append([end, key, identity, ok]);
  }

  /**
   * The rows from the beginning, as long as the lines make sense and end within `size` bytes of output; a torn last line does
   * not. The first is the head, its key empty.
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
    const bytes = Buffer.from(lineOf(fields));
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

function lineOf(fields: readonly unknown[]): string {
  return `${JSON.stringify(fields)}\n`;
}

function parseRow(line: string, start: number): WrittenRow | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [end, key = '', identity = null, ok = true] = fields as unknown[];
  const good =
    Number.isSafeInteger(end) &&
    typeof key === 'string' &&
    (identity === null || typeof identity === 'string') &&
    typeof ok === 'boolean';
  return good ? { start, end: end as number, key, identity, ok } : undefined;
}
