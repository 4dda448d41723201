import { lstat, mkdir, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ProcessLock } from '../disk/process-lock.ts';
import { messageOf, OutputError } from '../errors.ts';
import { openable, type Path } from '../inputs/path.ts';
import { type Entry, lockTarget, Manifest, type Transfer } from './manifest.ts';
import type { Step } from './plan.ts';
import { carryOut, settleTransfer } from './transfer.ts';

/** Errors after which no other file can be written either. */
const FATAL: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'];

/** The result of a step. */
export type Outcome =
  | { readonly step: Step; readonly state: 'done' | 'skipped' | 'stayed' }
  | { readonly step: Step; readonly state: 'failed'; readonly why: string };

/** Carries out the steps of a plan in a target folder. */
export class Sorter {
  private readonly made: Set<Path>;

  private constructor(
    private readonly target: Path,
    private readonly manifest: Manifest,
    private readonly lock: ProcessLock,
  ) {
    this.made = new Set(manifest.folders);
  }

  /**
   * Opens a target folder, creates it if it is missing, and completes an interrupted transfer of an earlier run.
   *
   * @throws OutputError if it cannot be written, or another run sorts into it
   */
  static async open(target: Path): Promise<Sorter> {
    try {
      await makeTarget(target);
      const lock = await lockTarget(target);
      try {
        const sorter = new Sorter(target, await Manifest.open(target), lock);
        for (const entry of sorter.manifest.entries) if (entry.state === 'intended') await sorter.settle(entry);
        return sorter;
      } catch (error) {
        await lock.release();
        throw error;
      }
    } catch (error) {
      throw cannotSort(target, error);
    }
  }

  /** @throws OutputError if the disk is full or cannot be written; finished files stay recorded */
  async apply(step: Step): Promise<Outcome> {
    if (step.kind !== 'transfer') return { step, state: step.kind === 'skip' ? 'skipped' : 'stayed' };
    if (!(await this.lock.isHeld()))
      throw new OutputError(`another run took over ${this.target}`, 'run the command again');
    const { transfer } = step;
    const id = await this.prepare(transfer).catch((error: unknown) => {
      throw cannotSort(this.target, error);
    });
    try {
      await carryOut(this.target, transfer, id);
      await this.manifest.settle(id, 'done');
      return { step, state: 'done' };
    } catch (error) {
      await this.manifest.settle(id, 'void').catch(() => {});
      if (transfer.operation === 'hard' && codeOf(error) === 'EXDEV')
        throw new OutputError(
          `${this.target} is on another file system, where hard links to ${transfer.from} are not possible`,
          'use --copy, --move or --link=symbolic',
          error,
        );
      if (FATAL.includes(codeOf(error))) throw cannotSort(this.target, error);
      return { step, state: 'failed', why: messageOf(error) };
    }
  }

  async close(): Promise<void> {
    await this.manifest.close();
    await this.lock.release();
  }

  /** Creates the folder of the label, and records the step before it is done. */
  private async prepare(transfer: Transfer): Promise<number> {
    const folder = dirname(transfer.to);
    if (!this.made.has(folder)) {
      const isNew = await mkdir(openable(join(this.target, folder))).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      );
      if (isNew) await this.manifest.folderMade(folder);
      else if (!(await lstat(openable(join(this.target, folder)))).isDirectory())
        throw new TypeError(`${folder} is not a folder`);
      this.made.add(folder);
    }
    return this.manifest.intend(transfer);
  }

  private async settle(entry: Entry): Promise<void> {
    await this.manifest.settle(entry.id, await settleTransfer(this.target, entry, entry.id));
  }
}

/** @throws OutputError if the disk of the target has less free space than the copies need; a move to another disk is a copy */
export async function requireRoom(target: Path, transfers: readonly Transfer[]): Promise<void> {
  const place = await nearestFolder(target);
  const here = await deviceOf(place);
  let needed = 0;
  for (const { operation, from, size } of transfers)
    if (operation === 'copy' || (operation === 'move' && (await deviceOf(from)) !== here)) needed += size;
  const disk = await statfs(openable(place)).catch(() => undefined);
  if (disk === undefined || disk.bavail * disk.bsize >= needed) return;
  throw new OutputError(
    `the disk of ${target} has ${megabytes(disk.bavail * disk.bsize)} MB free, and the copies need ${megabytes(needed)} MB`,
    'free some space, or choose another folder with --to',
  );
}

/** The folder, or the folder that it would be made in. */
async function nearestFolder(folder: Path): Promise<Path> {
  const isThere = await stat(openable(folder)).then(
    () => true,
    () => false,
  );
  return isThere || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/** On a read-only disk the recursive mkdir of Node says that there is no such folder, so it is only used for missing parents. */
async function makeTarget(target: Path): Promise<void> {
  await mkdir(openable(target)).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return;
    if (error.code !== 'ENOENT') throw error;
    await mkdir(openable(target), { recursive: true });
  });
}

async function deviceOf(path: Path): Promise<number | undefined> {
  return stat(openable(path)).then(
    ({ dev }) => dev,
    () => undefined,
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function cannotSort(target: Path, error: unknown): OutputError {
  if (error instanceof OutputError) return error;
  return new OutputError(
    `cannot sort into ${target}: ${messageOf(error)}`,
    'check its permissions and free space',
    error,
  );
}

/** Removes a folder that this tool created, if it is empty. */
export async function removeIfEmpty(folder: Path): Promise<void> {
  await rmdir(openable(folder)).catch(() => {});
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
