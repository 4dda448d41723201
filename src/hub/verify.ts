import { join } from 'node:path';
import { type CheckedFile, digestFile, stampOf } from '../disk/digest.ts';
import type { Env } from '../disk/environment.ts';
import { ChecksumError } from '../errors.ts';
import { CachedRepo } from './cache.ts';
import { findPulled, type Pin, type PinnedFile, updatePins } from './pins.ts';

/** The state of a file of a downloaded model. */
export interface FileState extends CheckedFile {
  readonly expected: string;
  /** sha256; absent for a missing file */
  readonly actual?: string;
  readonly stamp?: string;
}

/** The folder of a downloaded model. */
export function pinnedFolder(pin: Pin): string {
  return new CachedRepo(pin.cache, pin.repo).snapshot(pin.commit);
}

/** Hashes every file of a downloaded model again. */
export function verifyPin(pin: Pin): Promise<FileState[]> {
  return Promise.all(Object.entries(pin.files).map(([path, file]) => checkFile(pin, path, file)));
}

/** A downloaded model whose files are unchanged. */
export interface PulledModel {
  readonly name: string;
  readonly folder: string;
  readonly repo: string;
}

/**
 * Finds a downloaded model by its name, an alias of its card or its repository.
 *
 * @throws ChecksumError naming the first file that is missing or has changed; CacheError if the lock file cannot be read
 */
export async function findIntact(text: string, env?: Env): Promise<PulledModel | undefined> {
  const found = await findPulled(text, env);
  if (found === undefined) return undefined;
  const [name, pin] = found;
  await requireIntact(name, pin, env);
  return { name, folder: pinnedFolder(pin), repo: pin.repo };
}

/**
 * Compares the files of a downloaded model with their recorded checksums. A file is hashed again only if its stamp has changed
 * since the last check, because hashing takes a second for each 350 MB.
 *
 * @throws ChecksumError naming the first file that is missing or has changed
 */
export async function requireIntact(name: string, pin: Pin, env?: Env): Promise<void> {
  const checked: FileState[] = [];
  for (const [path, file] of Object.entries(pin.files)) {
    const stamp = await stampOf(join(pinnedFolder(pin), path)).catch(() => undefined);
    if (stamp !== file.stamp) checked.push(await checkFile(pin, path, file));
  }
  if (checked.length > 0) await restamp(name, checked, env).catch(() => {}); // without new stamps, the next run takes longer
  throwDamage(name, pin, checked);
}

/** @throws ChecksumError if one of the files is missing or damaged */
export function throwDamage(name: string, pin: Pin, states: readonly (CheckedFile & Partial<FileState>)[]): void {
  const damaged = states.filter(({ state }) => state !== 'good');
  const [first] = damaged;
  if (first === undefined) return;
  const file = join(pinnedFolder(pin), first.path);
  const more = damaged.length > 1 ? ` (and ${damaged.length - 1} more)` : '';
  const fact =
    first.state === 'missing'
      ? `${file} is missing`
      : `checksum mismatch for ${file}: sha256 is ${first.actual}, expected ${first.expected}`;
  throw new ChecksumError(`${fact}${more}`, `run clip-classify models pull ${name} --force`);
}

async function checkFile(pin: Pin, path: string, { size, sha256 }: PinnedFile): Promise<FileState> {
  const file = join(pinnedFolder(pin), path);
  try {
    const stamp = await stampOf(file);
    const { sha256: actual } = await digestFile(file, 'sha256', size);
    return { path, state: actual === sha256 ? 'good' : 'changed', expected: sha256, actual, stamp };
  } catch {
    return { path, state: 'missing', expected: sha256 };
  }
}

async function restamp(name: string, checked: readonly FileState[], env?: Env): Promise<void> {
  if (checked.every(({ state }) => state !== 'good')) return;
  await updatePins(env, (pins) => {
    const pin = pins.get(name);
    if (pin === undefined) return;
    const files = { ...pin.files };
    for (const { path, stamp, actual } of checked) {
      const file = files[path];
      if (file !== undefined && stamp !== undefined && file.sha256 === actual) files[path] = { ...file, stamp };
    }
    pins.set(name, { ...pin, files });
  });
}
