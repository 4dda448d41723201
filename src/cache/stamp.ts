import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { DecodeOptions } from '../image/decode-options.ts';
import { sha256 } from './segment.ts';

/**
 * A file that changed less than this many milliseconds ago can change again and keep its time, because file systems count time in
 * steps: most of a few milliseconds, some of seconds.
 */
const SETTLED_MS = 3000;

/**
 * Names the bytes of a file without reading them: device, inode, size and both times of change in nanoseconds, and how the
 * image is decoded.
 *
 * @returns 32 bytes; undefined if the path is not a regular file, or it changed just now
 */
export async function stampKey(
  path: string | Buffer,
  options: DecodeOptions,
  now = Date.now(),
): Promise<Buffer | undefined> {
  return keyOf(await stat(path, { bigint: true }).catch(() => undefined), howOf(options), now);
}

/** {@link stampKey} in this thread, for many files with the same options. */
export function stamper(options: DecodeOptions): (path: string | Buffer) => Buffer | undefined {
  const how = howOf(options);
  return (path) => keyOf(statSync(path, { bigint: true, throwIfNoEntry: false }), how, Date.now());
}

/** The options that an embedding depends on, as text. The pixel limit does not change an embedding. */
export function decodingOf({ maxPixels: _, ...decoding }: DecodeOptions): string {
  return JSON.stringify(Object.entries(decoding).sort());
}

function howOf(options: DecodeOptions): string {
  return sha256(decodingOf(options)).toString('base64');
}

function keyOf(info: BigIntStats | undefined, how: string, now: number): Buffer | undefined {
  if (info === undefined || !info.isFile()) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs } = info;
  const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  if (BigInt(now - SETTLED_MS) * 1_000_000n < changed) return undefined;
  return sha256(`stamp ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${how}`);
}
