import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './cache-files.ts';
import { digestFile, sha256Of, stampOf } from './digest.ts';
import { cacheFolder, type Env } from './environment.ts';
import { readPlainFile } from './plain-file.ts';

/** A digest is not cached if the file changed in the last milliseconds, because the file could change again with the same time stamp. */
const YOUNG_MS = 2_000;

/** The cached digest of a file. */
interface Memory {
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
  /** A checksum of the other fields, which finds flipped bits. */
  readonly check: string;
}

/** The cached sha256 of a file; undefined if it was not hashed before, or its size, inode or times have changed. */
export async function rememberedDigest(path: string, env?: Env): Promise<string | undefined> {
  try {
    const stamp = await stampOf(path);
    const memory = JSON.parse(await readPlainFile(await memoryOf(path, env))) as Partial<Memory>;
    const digest = memory.sha256 ?? '';
    return memory.stamp === stamp && memory.check === checkOf(path, stamp, digest) ? digest : undefined;
  } catch {
    return undefined; // no digest is cached
  }
}

/** The sha256 of a file: the cached one, or else the file is hashed. */
export async function digestOnce(path: string, env?: Env): Promise<string> {
  return (await rememberedDigest(path, env)) ?? hashAndRemember(path, env);
}

/** Hashes a file and caches the sha256. It takes about a second for each gigabyte. */
export async function hashAndRemember(path: string, env?: Env): Promise<string> {
  const stamp = await stampOf(path);
  const { size, mtimeMs, ctimeMs } = await stat(path);
  const { sha256 } = await digestFile(path, 'sha256', size);
  const settled = Date.now() - Math.max(mtimeMs, ctimeMs) > YOUNG_MS && (await stampOf(path)) === stamp;
  if (settled) {
    const memory: Memory = { path, stamp, sha256, check: checkOf(path, stamp, sha256) };
    const write = async () => replaceFile(await memoryOf(path, env), `${JSON.stringify(memory)}\n`);
    await write().catch(() => {}); // without the cache, the next run takes longer
  }
  return sha256;
}

/** The folder of the cached digests. */
export function digestsFolder(env?: Env): string {
  return join(cacheFolder(env), 'digests');
}

/** The path whose digest is cached in `file`; undefined if the file is something else. */
export async function rememberedPath(file: string): Promise<string | undefined> {
  try {
    const { path, stamp, sha256, check } = JSON.parse(await readPlainFile(file)) as Partial<Memory>;
    return path !== undefined && check === checkOf(path, String(stamp), String(sha256)) ? path : undefined;
  } catch {
    return undefined;
  }
}

function checkOf(path: string, stamp: string, digest: string): string {
  return sha256Of(JSON.stringify([path, stamp, digest]));
}

async function memoryOf(path: string, env?: Env): Promise<string> {
  return join(digestsFolder(env), `${sha256Of(await realpath(path)).slice(0, 32)}.json`);
}
