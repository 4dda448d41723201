import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { DecodeOptions } from '../image/decode-options.ts';

/**
 * A file that changed less than this many milliseconds ago can change again without a new time: file systems count in ticks
 * of a few milliseconds, some in seconds.
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
  { maxPixels: _, ...decoding }: DecodeOptions,
  now = Date.now(),
): Promise<Buffer | undefined> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  if (info === undefined || !info.isFile()) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs } = info;
  const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  if (BigInt(now - SETTLED_MS) * 1_000_000n < changed) return undefined;
  const how = JSON.stringify(Object.entries(decoding).sort());
  return createHash('sha256').update(`stamp ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${how}`).digest();
}
