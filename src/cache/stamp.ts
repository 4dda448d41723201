import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { DecodeOptions } from '../image/decode-options.ts';
import { digestOf } from './segment-header.ts';

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

/** The options as 64 bits. */
function howOf(options: DecodeOptions): bigint {
  return digestOf(Buffer.from(`stamp ${decodingOf(options)}`)).readBigUInt64LE();
}

/** An odd number that mixes a device into all 64 bits. */
const MIX = 0x9e37_79b9_7f4a_7c15n;

function keyOf(info: BigIntStats | undefined, how: bigint, now: number): Buffer | undefined {
  if (info === undefined || !info.isFile()) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs } = info;
  const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  if (BigInt(now - SETTLED_MS) * 1_000_000n < changed) return undefined;
  const key = Buffer.allocUnsafe(32); // the numbers themselves, because a sha256 takes longer than finding the embedding
  key.writeBigInt64LE(BigInt.asIntN(64, mtimeNs), 0);
  key.writeBigInt64LE(BigInt.asIntN(64, ctimeNs), 8);
  key.writeBigInt64LE(BigInt.asIntN(64, ino), 16);
  key.writeBigInt64LE(BigInt.asIntN(64, how + size + dev * MIX), 24);
  return key;
}
