import { lstat } from 'node:fs/promises';
import { digestFile } from '../disk/digest.ts';
import { openable, type Path } from '../inputs/path.ts';

/** What a file is: two files with the same size and sha256 are taken for identical. */
export interface FileFacts {
  readonly size: number;
  readonly sha256: string;
}

/** @throws what node:fs throws if the file cannot be read */
export async function factsOf(path: Path): Promise<FileFacts> {
  const { size } = await lstat(openable(path));
  const { sha256 } = await digestFile(openable(path), 'sha256', size);
  return { size, sha256 };
}

/** What lies at a path, compared with a file that is to lie there. */
export async function compareAt(path: Path, wanted: FileFacts): Promise<'free' | 'identical' | 'different'> {
  const info = await lstat(openable(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined) return 'free';
  if (!info.isFile() || info.size !== wanted.size) return 'different';
  return (await factsOf(path)).sha256 === wanted.sha256 ? 'identical' : 'different';
}
