import { type FileHandle, open } from 'node:fs/promises';
import { cannotWrite, throwCannotWrite } from './sink.ts';

/** A file that grows by whole rows: where a write fails, the part that was written is taken away again. */
export class FileOutput {
  private constructor(
    private readonly path: string,
    readonly handle: FileHandle,
    /** Bytes of whole rows. */
    private length: number,
  ) {}

  /** @throws OutputError */
  static async create(path: string): Promise<FileOutput> {
    return new FileOutput(path, await open(path, 'w+').catch(throwCannotWrite(path)), 0);
  }

  /** Goes on with a file. @throws OutputError */
  static async open(path: string): Promise<FileOutput> {
    const handle = await open(path, 'r+').catch(throwCannotWrite(path));
    return new FileOutput(path, handle, (await handle.stat()).size);
  }

  get size(): number {
    return this.length;
  }

  /** @throws OutputError; the file then ends where it ended before */
  async write(row: string | Uint8Array): Promise<void> {
    const bytes = typeof row === 'string' ? Buffer.from(row) : row;
    let written = 0;
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await this.handle.write(bytes, written, bytes.length - written, this.length + written);
        written += bytesWritten;
      }
    } catch (error) {
      await this.handle.truncate(this.length).catch(() => {}); // what failed may have written some of it
      throw cannotWrite(this.path, error);
    }
    this.length += bytes.length;
  }

  /** Puts other bytes over the first ones. @throws OutputError */
  async rewrite(start: Uint8Array): Promise<void> {
    await this.handle.write(start, 0, start.length, 0).catch(throwCannotWrite(this.path));
  }

  async cutAt(length: number): Promise<void> {
    await this.handle.truncate(length);
    this.length = length;
  }

  /** @throws OutputError */
  async close(): Promise<void> {
    await this.handle.close().catch(throwCannotWrite(this.path));
  }
}
