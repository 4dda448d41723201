import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it, for their owner alone if nothing else is said; one that is there stays as it is. Node's recursive mkdir
 * never ends where the folder above is there and yet nothing can be made in it, as in /proc.
 */
export async function makeFolder(folder: string, mode = 0o700): Promise<void> {
  const isThere = await stat(folder).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (isThere) return;
  const above = dirname(folder);
  if (above !== folder) await makeFolder(above, mode);
  await mkdir(folder, { mode }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' || !(await stat(folder)).isDirectory()) throw error; // another process may have been faster
  });
}
