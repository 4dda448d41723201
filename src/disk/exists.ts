import { access } from 'node:fs/promises';

/** Whether the path leads to a file, a folder or anything else. A broken link and a folder without permission lead nowhere. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
