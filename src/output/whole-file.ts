import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { isDenied } from '../disk/exists.ts';
import { cannotWrite, throwCannotWrite } from '../disk/whole-file.ts';
import { FileOutput } from './file-output.ts';
import type { OutputLock } from './output-lock.ts';

/**
 * A file that is written whole or not at all: it is written under another name (`<file>.run.tmp`) and renamed at the end. If the run
 * ends early, an earlier file of this name is unchanged.
 */
export class WholeFile {
  private constructor(
    private readonly path: string,
    private readonly file: FileOutput,
    /** The temporary path. Absent if the folder cannot be written: the file itself is then written. */
    private readonly beside: string | undefined,
  ) {}

  /** @param path the output of the lock, or a file that belongs to it @throws OutputError */
  static async create(path: string, lock: OutputLock): Promise<WholeFile> {
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && !info.isFile()) throw cannotWrite(path, new Error('it is not a regular file'));
    const beside = `${path}.run.tmp`;
    try {
      const file = await FileOutput.beside(beside, path, lock);
      if (info !== undefined) await file.handle.chmod(info.mode & 0o777);
      return new WholeFile(path, file, beside);
    } catch (error) {
      if (!isDenied(error) || info === undefined || path !== lock.path) throw cannotWrite(path, error);
      return new WholeFile(path, await FileOutput.create(lock), undefined);
    }
  }

  /** @throws OutputError */
  write(bytes: string | Uint8Array): Promise<void> {
    return this.file.write(bytes);
  }

  /** Overwrites the first bytes. @throws OutputError */
  rewrite(start: Uint8Array): Promise<void> {
    return this.file.rewrite(start);
  }

  cutAt(length: number): Promise<void> {
    return this.file.cutAt(length);
  }

  /** Renames the file to its final name. @throws OutputError */
  async commit(): Promise<void> {
    const { path, beside } = this;
    try {
      await this.file.close();
      if (beside === undefined) return;
      await rename(beside, path).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EBUSY' && error.code !== 'EXDEV') throw error;
        await copyFile(beside, path); // the file is a mount point
      });
    } catch (error) {
      throw cannotWrite(path, error);
    } finally {
      if (beside !== undefined) await rm(beside, { force: true }).catch(() => {});
    }
  }

  /** Removes the temporary file. An earlier file is unchanged. */
  async discard(): Promise<void> {
    await this.file.handle.close().catch(() => {});
    if (this.beside !== undefined) await rm(this.beside, { force: true }).catch(throwCannotWrite(this.path));
  }
}
