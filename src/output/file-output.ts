import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { createOwnFile, openPlainFile } from '../disk/plain-file.ts';
import { cannotWrite, throwCannotWrite } from '../disk/whole-file.ts';
import type { OutputLock } from './output-lock.ts';

const { O_RDWR, O_CREAT, O_NONBLOCK = 0 } = constants;

/** A file that contains complete rows only: if a write fails, a partial row is removed again. */
export class FileOutput {
  private constructor(
    private readonly path: string,
    readonly handle: FileHandle,
    /** Size of the complete rows in bytes. */
    private length: number,
    private readonly lock?: OutputLock,
  ) {}

  /** Truncates a file, or creates it. @throws OutputError, also if another run writes it */
  static async create(lock: OutputLock): Promise<FileOutput> {
    const file = await FileOutput.open(lock);
    await file.cutAt(0).catch(throwCannotWrite(lock.path));
    return file;
  }

  /** Continues a file. @throws OutputError, also if another run writes it */
  static async open(lock: OutputLock): Promise<FileOutput> {
    const { path } = lock;
    await lock.part([path]);
    const handle = await openPlainFile(path, O_RDWR | O_CREAT | O_NONBLOCK, 0o666).catch(throwCannotWrite(path));
    try {
      await lock.watch(handle);
      return new FileOutput(path, handle, (await handle.stat()).size, lock);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Creates a file next to an output, under the same lock. An existing file of this name is removed.
   *
   * @param output the path for messages
   */
  static async beside(path: string, output: string, lock?: OutputLock): Promise<FileOutput> {
    const handle = await createOwnFile(path, 0o666);
    return new FileOutput(output, handle, 0, lock);
  }

  get size(): number {
    return this.length;
  }

  /** @throws OutputError; the file then has the same end as before */
  async write(row: string | Uint8Array): Promise<void> {
    const bytes = typeof row === 'string' ? Buffer.from(row) : row;
    let written = 0;
    await this.lock?.check();
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await this.handle.write(bytes, written, bytes.length - written, this.length + written);
        written += bytesWritten;
      }
    } catch (error) {
      await this.handle.truncate(this.length).catch(() => {}); // the failed write may have written a part
      throw cannotWrite(this.path, error);
    }
    this.length += bytes.length;
  }

  /** Overwrites the first bytes. @throws OutputError */
  async rewrite(start: Uint8Array): Promise<void> {
    await this.handle.write(start, 0, start.length, 0).catch(throwCannotWrite(this.path));
  }

  async cutAt(length: number): Promise<void> {
    await this.handle.truncate(length);
    this.length = length;
  }

  /** @throws OutputError if the path now leads to another file, or the file cannot be closed */
  async close(): Promise<void> {
    try {
      await this.lock?.check(true);
    } finally {
      await this.handle.close().catch(throwCannotWrite(this.path));
    }
  }
}
