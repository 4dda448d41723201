import { writeFile } from 'node:fs/promises';
import { writeWhole } from '../disk/cache-files.ts';
import { messageOf, OutputError } from '../errors.ts';

/** Writes a file so that it is there whole or not at all. @throws OutputError */
export async function writeWholeFile(path: string, contents: string | Uint8Array): Promise<void> {
  await writeWhole(path, (temporary) => writeFile(temporary, contents)).catch(cannotWrite(path));
}

/** Turns the error of a write into one that names the file. */
export function cannotWrite(file: string): (error: unknown) => never {
  return (error) => {
    throw new OutputError(
      `${file} cannot be written: ${messageOf(error)}`,
      'check the folder and its permissions',
      error,
    );
  };
}
