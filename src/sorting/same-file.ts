import { lstat } from 'node:fs/promises';
import { digestFile } from '../disk/digest.ts';
import { openable, type Path } from '../inputs/path.ts';

/** The size and sha256 of a file. Two files with the same size and sha256 count as identical. */
export interface FileFacts {
  readonly size: number;
  readonly sha256: string;
}

/** @throws errors of node:fs if the file cannot be read */
export async function factsOf(path: Path): Promise<FileFacts> {
  const { size } = await lstat(openable(path));
  const { sha256 } = await digestFile(openable(path), 'sha256', size);
  return { size, sha256 };
}

/** Compares the file at a path with a file that will be moved there. */
export async function compareAt(path: Path, wanted: FileFacts): Promise<'free' | 'identical' | 'different'> {
  const info = await lstat(openable(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined) return 'free';
  if (!info.isFile() || info.size !== wanted.size) return 'different';
  return (await factsOf(path)).sha256 === wanted.sha256 ? 'identical' : 'different';
}
