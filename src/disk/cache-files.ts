import { lstat, mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pid } from 'node:process';
import { CacheError, ClipError, messageOf } from '../errors.ts';

/** Makes temporary names of one process differ. */
let written = 0;

/**
 * @param variable says where the cache is
 * @throws CacheError if a disk has not the space for so many bytes; where it does not tell, they are tried
 */
export async function requireSpace(folder: string, bytes: number, variable = 'HF_HUB_CACHE'): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined || disk.bavail * disk.bsize >= bytes) return;
  throw new CacheError(
    `${folder} has ${megabytes(disk.bavail * disk.bsize)} MB free, but ${megabytes(bytes)} MB are needed`,
    `free some space, or set ${variable} to a folder on a larger disk`,
  );
}

/** Runs what writes to a cache; its failures become one line that names the variable to set. */
export async function inCache<T>(folder: string, variable: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ClipError || !(error instanceof Error && 'syscall' in error)) throw error;
    throw new CacheError(`cannot use ${folder}: ${messageOf(error)}`, `set ${variable} to a writable folder`, error);
  }
}

/** A file of the cache is there, or may be, and cannot be read: what it says is not known, and not taken for nothing. */
export function unreadableCache(path: string, error: unknown): CacheError {
  return new CacheError(
    `cannot read ${path} in the cache: ${messageOf(error)}`,
    'check the permissions, or set CLIP_CLASSIFY_CACHE to another folder',
    error,
  );
}

/**
 * Makes a folder and those above it, for their owner alone if nothing else is said; one that is there stays as it is.
 * Node's recursive mkdir never ends where the folder above is there and yet nothing can be made in it, as in /proc.
 */
export async function makeFolder(folder: string, mode = 0o700): Promise<void> {
  const isFolder = await stat(folder).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (isFolder) return;
  const above = dirname(folder);
  if (above !== folder) await makeFolder(above, mode);
  await mkdir(folder, { mode }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' || !(await stat(folder)).isDirectory()) throw error; // another process may have been faster
  });
}

/** Writes a small file so that it is there whole or not at all. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeWhole(path, (temporary) => writeFile(temporary, text));
}

/**
 * Makes something under a temporary name in the same folder, then gives it its name: others see all of it or nothing.
 *
 * @param write makes a file, a link or a folder at the temporary path
 */
export async function writeWhole<T>(path: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = `${path}.${pid}-${written++}.tmp`;
  try {
    const result = await write(temporary);
    await rename(temporary, path);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Whether there is anything of this name, even a link that leads nowhere. */
export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
