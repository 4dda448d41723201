import { lstat, mkdir, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CacheError, ClipError, messageOf } from '../errors.ts';
import { writeWhole } from './whole-file.ts';

/**
 * @param variable the environment variable with the path of the cache
 * @throws CacheError if the disk has less free space than `bytes`; not thrown if the free space is unknown
 */
export async function requireSpace(folder: string, bytes: number, variable = 'HF_HUB_CACHE'): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined || disk.bavail * disk.bsize >= bytes) return;
  throw new CacheError(
    `${folder} has ${megabytes(disk.bavail * disk.bsize)} MB free, but ${megabytes(bytes)} MB are needed`,
    `free some space, or set ${variable} to a folder on a larger disk`,
  );
}

/** Runs work that writes to a cache. Its system errors become a CacheError that names the variable to set. */
export async function inCache<T>(folder: string, variable: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ClipError || !(error instanceof Error && 'syscall' in error)) throw error;
    throw new CacheError(`cannot use ${folder}: ${messageOf(error)}`, `set ${variable} to a writable folder`, error);
  }
}

/** The error for a file of the cache that cannot be read. It must not count as missing. */
export function unreadableCache(path: string, error: unknown): CacheError {
  return new CacheError(
    `cannot read ${path} in the cache: ${messageOf(error)}`,
    'check the permissions, or set CLIP_CLASSIFY_CACHE to another folder',
    error,
  );
}

/**
 * Creates a folder and its parents, by default for their owner only. An existing folder is not changed.
 * Node's recursive mkdir never ends if a parent exists but nothing can be created in it, such as /proc.
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
    if (error.code !== 'EEXIST' || !(await stat(folder)).isDirectory()) throw error; // another process may have created it
  });
}

/** Writes a small file whole or not at all. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeWhole(path, (temporary) => writeFile(temporary, text));
}

/** Whether anything has this name, even a broken link. */
export async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
