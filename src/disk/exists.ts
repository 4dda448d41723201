import { access } from 'node:fs/promises';

/** Whether the path leads to a file, a folder or anything else. A broken link and a folder without permission lead nowhere. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether an error of Node's system calls has one of these codes, such as ENOENT. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Whether there is no file or folder of this name. */
export function isAbsent(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR');
}

/** Whether the file or folder must not be written. */
export function isDenied(error: unknown): boolean {
  return hasCode(error, 'EACCES', 'EPERM', 'EROFS');
}
