import type { FileOutput } from './file-output.ts';
import { digestOf, type WrittenRow } from './journal.ts';

/** Bytes of the output that are read at once. */
const WINDOW = 1 << 20;

/** Reads rows of an earlier run. If they are read in order, the output is read once, in large blocks. */
export class WrittenRows {
  private window = { start: 0, bytes: Buffer.alloc(0) };

  constructor(private readonly file: FileOutput) {}

  /** @returns undefined if the bytes differ from the digest in the journal, because the output was changed */
  async read(row: WrittenRow): Promise<Buffer | undefined> {
    const bytes = await this.bytes(row.start, row.end - row.start);
    return bytes.length === row.end - row.start && digestOf(bytes) === row.digest ? bytes : undefined;
  }

  private async bytes(start: number, length: number): Promise<Buffer> {
    const offset = start - this.window.start;
    if (offset < 0 || offset + length > this.window.bytes.length) {
      const buffer = Buffer.allocUnsafe(Math.max(length, WINDOW));
      const { bytesRead } = await this.file.handle.read(buffer, 0, buffer.length, start);
      this.window = { start, bytes: buffer.subarray(0, bytesRead) };
      return this.window.bytes.subarray(0, length);
    }
    return this.window.bytes.subarray(offset, offset + length);
  }
}
