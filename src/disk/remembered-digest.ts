import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './cache-files.ts';
import { digestFile, sha256Of, stampOf } from './digest.ts';
import { cacheFolder, type Env } from './environment.ts';
import { readPlainFile } from './plain-file.ts';

/** A file that has just been changed may change again within one tick of the clock that stamps it; then it is not remembered. */
const YOUNG_MS = 2_000;

/** What is remembered of a file. */
interface Memory {
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
  /** Over the others: a digest with a flipped bit is not believed. */
  readonly check: string;
}

/** The sha256 of a file that was hashed before, if its size, inode and times of change are what they were; else undefined. */
export async function rememberedDigest(path: string, env?: Env): Promise<string | undefined> {
  try {
    const stamp = await stampOf(path);
    const memory = JSON.parse(await readPlainFile(await memoryOf(path, env))) as Partial<Memory>;
    const digest = memory.sha256 ?? '';
    return memory.stamp === stamp && memory.check === checkOf(path, stamp, digest) ? digest : undefined;
  } catch {
    return undefined; // nothing is remembered
  }
}

/** Hashes a file, a second for each gigabyte or so, and remembers the sha256. */
export async function hashAndRemember(path: string, env?: Env): Promise<string> {
  const stamp = await stampOf(path);
  const { size, mtimeMs, ctimeMs } = await stat(path);
  const { sha256 } = await digestFile(path, 'sha256', size);
  const settled = Date.now() - Math.max(mtimeMs, ctimeMs) > YOUNG_MS && (await stampOf(path)) === stamp;
  if (settled) {
    const memory: Memory = { path, stamp, sha256, check: checkOf(path, stamp, sha256) };
    const write = async () => replaceFile(await memoryOf(path, env), `${JSON.stringify(memory)}\n`);
    await write().catch(() => {}); // costs time the next time, not this run
  }
  return sha256;
}

function checkOf(path: string, stamp: string, digest: string): string {
  return sha256Of(JSON.stringify([path, stamp, digest]));
}

async function memoryOf(path: string, env?: Env): Promise<string> {
  return join(cacheFolder(env), 'digests', `${sha256Of(await realpath(path)).slice(0, 32)}.json`);
}
