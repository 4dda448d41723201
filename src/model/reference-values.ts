import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exists } from '../disk/exists.ts';
import { readPlainFile } from '../disk/plain-file.ts';
import { ModelError, messageOf } from '../errors.ts';
import { STARTER } from './starter.ts';

const FOLDER = fileURLToPath(new URL('../../models/reference', import.meta.url));

/** What PyTorch computes from the pictures and texts of the package, as `models/reference/record.py` writes it. */
export interface ReferenceValues {
  /** The versions of PyTorch and of the library. */
  readonly source: string;
  /** Paths of the pictures. */
  readonly pictures: readonly string[];
  readonly texts: readonly string[];
  readonly logitScale: number;
  /** [pictures, texts] */
  readonly cosines: readonly (readonly number[])[];
}

/** The values of the starter. */
export function starterValues(): Promise<ReferenceValues> {
  return readValues(join(FOLDER, 'starter.json'));
}

/** The values of a model. Models other than the starter have them in `reference.json`. @returns undefined if there is no such file */
export async function valuesOf(name: string, folder: string): Promise<ReferenceValues | undefined> {
  if (name === STARTER) return starterValues();
  const path = join(folder, 'reference.json');
  return (await exists(path)) ? readValues(path) : undefined;
}

/** @throws ModelError if the file cannot be read or has other fields */
async function readValues(path: string): Promise<ReferenceValues> {
  try {
    const value = JSON.parse(await readPlainFile(path)) as ReferenceValues;
    const isWhole = value.cosines.length === value.pictures.length && value.texts.length > 0 && value.logitScale > 0;
    if (!isWhole || !value.pictures.every((name) => /^\w+\.png$/u.test(name)))
      throw new TypeError('it is not what models/reference/record.py writes');
    return { ...value, pictures: value.pictures.map((name) => join(FOLDER, name)) };
  } catch (error) {
    throw new ModelError(`cannot read ${path}: ${messageOf(error)}`, 'record the values again', error);
  }
}
