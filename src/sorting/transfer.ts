import {
  constants,
  copyFile,
  link,
  lstat,
  open,
  rename,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openable, type Path } from '../inputs/path.ts';
import type { Transfer } from './manifest.ts';
import { compareAt, factsOf } from './same-file.ts';

/** Error codes of file systems without hard links. */
const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

/** The temporary name of a copy. */
export function temporaryName(target: Path, { to }: Pick<Transfer, 'to'>, id: number): Path {
  return join(target, dirname(to), `.clip-classify-${id}.tmp`);
}

/**
 * Moves, copies or links one file. Nothing is overwritten. The source of a move is removed only when the target is complete.
 *
 * @param target the folder that `to` is relative to
 * @throws errors of node:fs; EEXIST if the target exists
 */
export async function carryOut(target: Path, transfer: Transfer, id: number): Promise<void> {
  const { operation, from } = transfer;
  const to = join(target, transfer.to);
  switch (operation) {
    case 'hard':
      return link(openable(from), openable(to));
    case 'symbolic':
      return symlink(openable(from), openable(to));
    case 'copy':
      return copyTo(from, to, transfer, temporaryName(target, transfer, id));
    case 'move':
      return move(from, to, transfer, temporaryName(target, transfer, id));
  }
}

/** Within a file system, a move is a new hard link and the removal of the old name, because `rename` would overwrite. */
export async function move(
  from: Path,
  to: Path,
  facts: Pick<Transfer, 'size' | 'sha256'>,
  temporary: Path,
): Promise<void> {
  try {
    await link(openable(from), openable(to));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NO_LINKS.includes(error.code))) throw error;
    if (error.code === 'EXDEV' || !(await renameInto(from, to))) await copyTo(from, to, facts, temporary);
    else return;
  }
  await syncFolder(dirname(to));
  await unlink(openable(from));
}

/** Without hard links: the name is reserved by an empty file, which the rename replaces. @returns false across devices */
async function renameInto(from: Path, to: Path): Promise<boolean> {
  await writeFile(openable(to), '', { flag: 'wx' });
  try {
    await rename(openable(from), openable(to));
    return true;
  } catch (error) {
    await unlink(openable(to));
    if (error instanceof Error && 'code' in error && error.code === 'EXDEV') return false;
    throw error;
  }
}

/** Copies under a temporary name, compares the copy with the source, and renames it. Keeps mode and times. */
async function copyTo(from: Path, to: Path, facts: Pick<Transfer, 'size' | 'sha256'>, temporary: Path): Promise<void> {
  const { atimeNs, mtimeNs } = await stat(openable(from), { bigint: true });
  const copy = openable(temporary);
  try {
    await copyFile(openable(from), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await sync(copy);
    const { size, sha256 } = await factsOf(temporary);
    if (size !== facts.size || sha256 !== facts.sha256) throw new Error(`${from} changed while it was copied`);
    await utimes(copy, secondsOf(atimeNs), secondsOf(mtimeNs));
    await link(copy, openable(to)).catch(async (error: NodeJS.ErrnoException) => {
      if (!NO_LINKS.includes(error.code)) throw error;
      await writeFile(openable(to), '', { flag: 'wx' });
      await rename(copy, openable(to));
    });
    await syncFolder(dirname(to));
  } finally {
    await unlink(copy).catch(() => {}); // it has been renamed, or the copy failed
  }
}

/** Node truncates times to microseconds, so half a microsecond is added to avoid losing one by rounding. */
function secondsOf(nanoseconds: bigint): number {
  return (Number(nanoseconds / 1000n) + 0.5) / 1e6;
}

async function sync(path: string | Buffer): Promise<void> {
  const file = await open(path, 'r');
  await file.sync().finally(() => file.close());
}

/** Syncs a folder, so that its names survive a power failure. Windows has no such call. */
async function syncFolder(folder: Path): Promise<void> {
  await sync(openable(folder)).catch(() => {});
}

/** Completes the transfer of a killed run if possible. */
export async function settleTransfer(target: Path, transfer: Transfer, id: number): Promise<'done' | 'void'> {
  await unlink(openable(temporaryName(target, transfer, id))).catch(() => {});
  const to = join(target, transfer.to);
  if (transfer.operation === 'symbolic') {
    const info = await lstat(openable(to)).catch(() => undefined);
    return info?.isSymbolicLink() ? 'done' : 'void';
  }
  if ((await compareAt(to, transfer)) !== 'identical') {
    await removeReservation(to, transfer);
    return 'void';
  }
  if (transfer.operation === 'move' && (await compareAt(transfer.from, transfer)) === 'identical')
    await unlink(openable(transfer.from));
  return 'done';
}

/** Removes the empty file with which a killed run reserved a name. */
async function removeReservation(to: Path, { from, size, operation }: Transfer): Promise<void> {
  const info = await lstat(openable(to)).catch(() => undefined);
  const source = await lstat(openable(from)).catch(() => undefined);
  const isReservation = info?.isFile() && info.size === 0 && size > 0 && source !== undefined;
  if (isReservation && (operation === 'move' || operation === 'copy')) await unlink(openable(to));
}
