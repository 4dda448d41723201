import { copyFile, type FileHandle, lstat, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isDenied } from '../disk/exists.ts';
import { parseHolder } from '../disk/holder.ts';
import { kernelLock } from '../disk/kernel-lock.ts';
import { isAt, NotALock, type ProcessLock, takeLock, textAt } from '../disk/process-lock.ts';
import { cannotWrite, throwCannotWrite } from '../disk/whole-file.ts';
import { OutputError } from '../errors.ts';

/** How long a check is valid, in milliseconds, because rows can come faster than a disk answers. */
const CHECK_MS = 100;
const MOST_LINKS = 40;
const WAIT = 'wait until the other run ends, or use another file';

/**
 * Only one run at a time writes an output. The file `<file>.run.lock` next to it is the lock of the path. The output itself is locked,
 * too, because it may have another name (a hard link, a mount).
 *
 * Before each write, the run checks that the lock is still its own and that the path still leads to the same file.
 */
export class OutputLock {
  private checked = { steady: Number.NEGATIVE_INFINITY, wall: 0 };
  private output: FileHandle | undefined;

  private constructor(
    /** The path of the output with links resolved. */
    readonly path: string,
    /** Absent if the folder cannot be written. */
    private readonly lock: ProcessLock | undefined,
  ) {}

  /** @throws OutputError if another run writes the output, or its folder does not exist */
  static async take(given: string): Promise<OutputLock> {
    const path = await realTarget(given).catch(throwCannotWrite(given));
    const folder = dirname(path);
    if (!(await stat(folder).catch(() => undefined))?.isDirectory())
      throw new OutputError(
        `cannot write ${given}: the folder ${folder} does not exist`,
        'create the folder, or name another file',
      );
    const name = `${path}.run.lock`;
    const lock = await takeLock(name).catch(async (error: unknown) => {
      if (error instanceof NotALock) throw new OutputError(error.message, 'remove it, or name another output', error);
      if (!isDenied(error)) throw cannotWrite(given, error);
      if (await lstat(name).catch(() => undefined))
        throw new OutputError(`another user's run is writing ${given}: ${name} cannot be opened`, WAIT, error);
      return 'impossible' as const;
    });
    if (lock === undefined) throw new OutputError(`another run is writing ${given}${await holderOf(name)}`, WAIT);
    return new OutputLock(path, lock === 'impossible' ? undefined : lock);
  }

  /**
   * Locks the output itself, and checks it from now on.
   *
   * @throws OutputError if another run writes it under another name
   */
  async watch(file: FileHandle): Promise<void> {
    const state = await kernelLock(file);
    if (state === 'busy')
      throw new OutputError(`another run is writing ${this.path}, under this or another name`, WAIT);
    if (state === 'unknown' && (await file.stat()).nlink > 1)
      throw new OutputError(
        `${this.path} has several names (hard links), and this system cannot lock it under all of them`,
        'name another file',
      );
    if (await isAt(this.path, file)) this.output = file; // some network file systems give each opening a new number
  }

  /**
   * If the last holder may still be alive, it may have the files open. The new run then works on copies.
   *
   * @param paths files that the run continues
   */
  async part(paths: readonly string[]): Promise<void> {
    if (this.lock?.seized !== true) return;
    for (const path of paths) {
      const copy = `${path}.run.tmp`;
      await rm(copy, { force: true });
      const found = await copyFile(path, copy).then(
        () => true,
        () => false,
      );
      if (found) await rename(copy, path).catch(throwCannotWrite(path));
    }
  }

  /**
   * @param now whether to check even if the last check is recent
   * @throws OutputError if the output is missing or another run writes it
   */
  async check(now = false): Promise<void> {
    const [steady, wall] = [performance.now(), Date.now()];
    const passed = Math.max(steady - this.checked.steady, Math.abs(wall - this.checked.wall));
    if (!now && passed < CHECK_MS) return;
    this.checked = { steady, wall };
    if (this.output !== undefined && !(await isAt(this.path, this.output)))
      throw new OutputError(
        `${this.path} was deleted or replaced while this run wrote it`,
        'run the command again, and leave the file alone until it ends',
      );
    if (this.lock === undefined || (await this.lock.isHeld())) return;
    throw new OutputError(
      `${this.path} is no longer locked by this run: ${this.lock.path} was deleted, or another run took it`,
      'run the command again, and leave the files next to the output alone until it ends',
    );
  }

  async release(): Promise<void> {
    await this.lock?.release();
  }
}

/** The real path of a file, or the path where it would be created. */
async function realTarget(given: string): Promise<string> {
  let path = resolve(given);
  for (let links = 0; links < MOST_LINKS; links++) {
    const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (real !== undefined) return real;
    const target = await readlink(path).catch(() => undefined);
    const folder = await realpath(dirname(path)).catch(() => dirname(path));
    if (target === undefined) return join(folder, basename(path));
    path = resolve(folder, target);
  }
  throw new Error('too many symbolic links');
}

async function holderOf(lock: string): Promise<string> {
  const holder = parseHolder(await textAt(lock));
  return holder === undefined ? '' : `: process ${holder.pid} on ${holder.host} holds ${lock}`;
}
