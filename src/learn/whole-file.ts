import { writeFile } from 'node:fs/promises';
import { writeWhole } from '../disk/cache-files.ts';
import { messageOf, OutputError } from '../errors.ts';

/** Writes a file whole or not at all. @throws OutputError */
export async function writeWholeFile(path: string, contents: string | Uint8Array): Promise<void> {
  await writeWhole(path, (temporary) => writeFile(temporary, contents)).catch(cannotWrite(path));
}

/** A handler for `catch` that throws an error with the name of the file. */
export function cannotWrite(file: string): (error: unknown) => never {
  return (error) => {
    throw new OutputError(
      `${file} cannot be written: ${messageOf(error)}`,
      'check the folder and its permissions',
      error,
    );
  };
}
