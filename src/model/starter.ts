import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CheckedFile, checkFile, sha256OfFile } from '../disk/digest.ts';
import type { Env } from '../disk/environment.ts';
import { digestOnce } from '../disk/remembered-digest.ts';
import { ChecksumError } from '../errors.ts';

/** The name of the model that ships in the package. */
export const STARTER = 'starter';

const FOLDER = fileURLToPath(new URL('../../models/starter', import.meta.url));
/** The file with the sha256 of each file of the starter. The training recipe writes it. */
const CHECKSUMS = 'checksums.json';

/**
 * The folder of the starter. Its files are compared with their checksums. A file that was not touched since the last check is not
 * hashed again.
 *
 * @throws ChecksumError naming a file that is missing or damaged
 */
export async function intactStarter(env?: Env): Promise<string> {
  refuseDamaged(await compare((path) => digestOnce(path, env)));
  return FOLDER;
}

/** Hashes every file of the starter again. */
export function verifyStarter(): Promise<CheckedFile[]> {
  return compare(sha256OfFile);
}

/** @throws ChecksumError if a file of the starter is missing or damaged */
export function refuseDamaged(files: readonly CheckedFile[]): void {
  const damaged = files.find(({ state }) => state !== 'good');
  if (damaged === undefined) return;
  const fact = damaged.state === 'missing' ? 'is missing' : 'is damaged: its checksum is not that of the package';
  throw new ChecksumError(`${damaged.path} ${fact}`, 'install clip-classify again');
}

async function compare(hash: (path: string) => Promise<string>): Promise<CheckedFile[]> {
  const checksums = await readChecksums();
  if (checksums === undefined) return [{ path: join(FOLDER, CHECKSUMS), state: 'missing' }];
  return Promise.all(checksums.map(([name, expected]) => checkFile(join(FOLDER, name), expected, hash)));
}

/** @returns undefined if the list is missing or damaged */
async function readChecksums(): Promise<[string, unknown][] | undefined> {
  try {
    const entries = Object.entries(Object(JSON.parse(await readFile(join(FOLDER, CHECKSUMS), 'utf8'))));
    return entries.length > 0 ? entries : undefined;
  } catch {
    return undefined;
  }
}
