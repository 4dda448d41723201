import { stat, utimes } from 'node:fs/promises';
import { replaceFile } from './cache-files.ts';
import { digestFile, stampOf } from './digest.ts';
import { readPlainFile } from './plain-file.ts';

/** The content of the seal: a file next to a file that this tool wrote. */
interface Seal {
  /** The path of the file that the sealed file was made from. */
  readonly source: string;
  readonly sha256: string;
  /** The stamp of the file at the last check of its sha256. */
  readonly stamp: string;
}

/** Writes the seal of a new file, with which {@link isIntact} checks it later. */
export async function seal(path: string, source: string): Promise<void> {
  const stamp = await stampOf(path);
  await writeSeal(path, { source, sha256: await hash(path), stamp });
}

/** Whether a file still matches its seal. A file whose stamp is unchanged is not hashed again. */
export async function isIntact(path: string): Promise<boolean> {
  try {
    const [known, stamp] = [await readSeal(path), await stampOf(path)];
    if (known === undefined || known.stamp === stamp) return known !== undefined;
    if ((await hash(path)) !== known.sha256) return false;
    await writeSeal(path, { ...known, stamp }).catch(() => {}); // without a new stamp, the next run hashes again
    return true;
  } catch {
    return false; // the file is missing
  }
}

/** Records that a sealed file is used now: the time of the seal is the last use. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(`${path}.json`, now, now).catch(() => {}); // a read-only disk, or the cache of another user
}

/** Hashes a sealed file, even if its stamp is unchanged. @returns undefined if it was not made from `source` */
export async function verifySeal(path: string, source: string): Promise<'good' | 'changed' | undefined> {
  const known = await readSeal(path);
  if (known === undefined || known.source !== source) return undefined;
  return (await hash(path).catch(() => '')) === known.sha256 ? 'good' : 'changed';
}

/** The file that a sealed file was made from. @returns undefined if there is no seal */
export async function sealedSource(path: string): Promise<string | undefined> {
  return (await readSeal(path))?.source;
}

async function readSeal(path: string): Promise<Seal | undefined> {
  const text = await readPlainFile(`${path}.json`).catch(() => '{}');
  try {
    const { source, sha256, stamp } = Object(JSON.parse(text));
    const isWhole = [source, sha256, stamp].every((field) => typeof field === 'string');
    return isWhole ? { source, sha256, stamp } : undefined;
  } catch {
    return undefined; // the seal is damaged
  }
}

function writeSeal(path: string, known: Seal): Promise<void> {
  return replaceFile(`${path}.json`, `${JSON.stringify(known)}\n`);
}

async function hash(path: string): Promise<string> {
  return (await digestFile(path, 'sha256', (await stat(path)).size)).sha256;
}
