import { rename, rm, writeFile } from 'node:fs/promises';
import { pid } from 'node:process';
import { ClipError, messageOf, OutputError } from '../errors.ts';

/** A counter for temporary names of this process. */
let written = 0;

/**
 * Creates something under a temporary name in the same folder, then renames it, so that other processes see all of it or nothing.
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

/** Writes a file whole or not at all. @throws OutputError */
export async function writeWholeFile(path: string, contents: string | Uint8Array): Promise<void> {
  await writeWhole(path, (temporary) => writeFile(temporary, contents)).catch(throwCannotWrite(path));
}

/** The error for a file that cannot be written. */
export function cannotWrite(name: string, error: unknown): ClipError {
  if (error instanceof ClipError) return error;
  const fact = `cannot write ${name}: ${messageOf(error)}`;
  return new OutputError(fact, 'check the path, the permissions and the free space', error);
}

/** A handler for `catch` that throws {@link cannotWrite}. */
export function throwCannotWrite(name: string): (error: unknown) => never {
  return (error) => {
    throw cannotWrite(name, error);
  };
}
