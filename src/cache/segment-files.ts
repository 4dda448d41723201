import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FINISHED, UNFINISHED } from './segment.ts';

/** An unfinished segment that has not grown for this long belongs to a killed process. */
const DEAD_MS = 24 * 3600 * 1000;

/** A file with the name of a segment. */
export interface SegmentFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970 of the last use or write. */
  readonly lastUsed: number;
  /** Whether no process writes to it any more. */
  readonly isFinished: boolean;
}

/** Whether a file has the name of a segment. */
export function isSegment(name: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(emb|part)$/u.test(name);
}

/** The segments of all stores. Links are not followed. @param parent the folder of all stores */
export async function segmentFiles(parent: string): Promise<SegmentFile[]> {
  const files: SegmentFile[] = [];
  for (const folder of await storeFolders(parent)) {
    for (const name of (await readdir(folder).catch(() => [])).filter(isSegment)) {
      const path = join(folder, name);
      const info = await lstat(path).catch(() => undefined);
      if (!info?.isFile()) continue;
      const { size, mtimeMs: lastUsed } = info;
      files.push({ path, size, lastUsed, isFinished: name.endsWith(FINISHED) || isDead(lastUsed) });
    }
  }
  return files;
}

/** The folders of stores. @param parent the folder of all stores */
export async function storeFolders(parent: string): Promise<string[]> {
  if (!(await lstat(parent).catch(() => undefined))?.isDirectory()) return [];
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^[0-9a-f]{32}$/u.test(entry.name))
    .map(({ name }) => join(parent, name));
}

/** Whether no process writes to a segment any more. */
export async function isFinished(path: string): Promise<boolean> {
  if (!path.endsWith(UNFINISHED)) return true;
  const info = await lstat(path).catch(() => undefined);
  return info !== undefined && isDead(info.mtimeMs);
}

function isDead(lastWritten: number): boolean {
  return Date.now() - lastWritten > DEAD_MS;
}
