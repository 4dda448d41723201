import { lstatSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { getuid } from 'node:process';

/**
 * The file or folder of another user that caused an error, if it is `folder` or lies in it. This happens if root ran this program
 * before.
 *
 * @param error a denied access, or an error that was caused by one
 */
export function ownedByOther(error: unknown, folder: string): string | undefined {
  const denied = deniedPath(error);
  if (denied === undefined || getuid === undefined) return undefined;
  const root = resolve(folder);
  for (let path = resolve(denied); path === root || path.startsWith(join(root, sep)); path = dirname(path)) {
    const owner = ownerOf(path);
    if (owner !== undefined) return owner === getuid() ? undefined : path;
  }
  return undefined;
}

function deniedPath(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, cause } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM' ? path : deniedPath(cause);
}

function ownerOf(path: string): number | undefined {
  try {
    return lstatSync(path).uid;
  } catch {
    return undefined; // this user may not search one of its parents
  }
}
