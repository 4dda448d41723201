import { lstat, mkdir, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../disk/exists.ts';
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

/** A target folder that belongs to this run until it is released. */
export interface Target {
  /** Absolute. */
  readonly target: Path;
  readonly lock: ProcessLock;
  /** Ends the lock. Folders that were made for this run and are empty are removed. */
  release(): Promise<void>;
}

/**
 * Locks a target folder, and creates it if it is missing. A run does this before it reads pictures, because another run may be moving them.
 *
 * @throws OutputError if it cannot be written, or another run sorts into it
 */
export async function claimTarget(target: Path): Promise<Target> {
  try {
    const made = await makeFolders(target);
    const lock = await lockTarget(target);
    const release = async () => {
      await lock.release();
      for (const folder of made.reverse()) await removeIfEmpty(folder);
    };
    return { target, lock, release };
  } catch (error) {
    throw cannotSort(target, error);
  }
}

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
   * Opens the record of a target folder, and completes an interrupted transfer of an earlier run.
   *
   * @throws OutputError if it cannot be read or written
   */
  static async open({ target, lock }: Target): Promise<Sorter> {
    try {
      const sorter = new Sorter(target, await Manifest.open(target), lock);
      for (const entry of sorter.manifest.entries) if (entry.state === 'intended') await sorter.settle(entry);
      return sorter;
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

  close(): Promise<void> {
    return this.manifest.close();
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

/** Creates a folder and its missing parents. @returns the folders that were created, outermost first */
async function makeFolders(folder: Path): Promise<Path[]> {
  try {
    await mkdir(openable(folder));
    return [folder];
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return [];
    if (!hasCode(error, 'ENOENT') || dirname(folder) === folder) throw error;
    return [...(await makeFolders(dirname(folder))), ...(await makeFolders(folder))];
  }
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
