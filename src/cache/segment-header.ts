import { createHash } from 'node:crypto';
import { constants, openSync, readSync } from 'node:fs';

/** Facts about the embeddings of a segment. */
export interface Header {
  /** What all its embeddings have in common, as JSON. */
  readonly facts: string;
  /** D */
  readonly columns: number;
  /** The name of the model when the embeddings were made, for people. */
  readonly model: string;
}

const MAGIC = Buffer.from('CLIPEMB\n');
const VERSION = 1;
/** Limits of what is allocated before a digest is checked (CWE-770). */
const [MAX_TEXT, MAX_COLUMNS] = [65_536, 65_536];
/** Bytes of a sha256. */
export const DIGEST = 32;

/** Links are not followed, and opening a FIFO does not wait for its writer. */
const PLAIN_FILE = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Opens a segment for reading. @throws Error if it cannot be opened */
export function openPlain(path: string): number {
  return openSync(path, PLAIN_FILE);
}

/*
 *   header  magic[8] version[4] length[4] text[length] sha256[32]
 *
 * The text is JSON of a Header. The sha256 covers everything before it.
 */

/** @returns undefined if the file does not begin with a complete header */
export function readHeader(file: number): (Header & { readonly digest: Buffer; readonly end: number }) | undefined {
  const start = readExactly(file, 0, 16);
  if (start === undefined || !start.subarray(0, 8).equals(MAGIC) || start.readUInt32LE(8) !== VERSION) return undefined;
  const length = start.readUInt32LE(12);
  if (length > MAX_TEXT) return undefined;
  const rest = readExactly(file, 16, length + DIGEST);
  if (rest === undefined) return undefined;
  const text = rest.subarray(0, length);
  const digest = digestOf(start, text);
  if (!digest.equals(rest.subarray(length))) return undefined;
  const { facts, columns, model = '' } = JSON.parse(text.toString('utf8')) as Record<string, unknown>;
  if (typeof facts !== 'string' || typeof model !== 'string') return undefined;
  if (typeof columns !== 'number' || !(columns >= 1 && columns <= MAX_COLUMNS)) return undefined;
  return { facts, columns, model, digest, end: 16 + length + DIGEST };
}

/** Whether a file begins like a segment. A file that is too short counts as one if its bytes fit. @param size of the file in bytes */
export function beginsAsSegment(file: number, size: number): boolean {
  const length = Math.min(size, MAGIC.length);
  return readExactly(file, 0, length)?.equals(MAGIC.subarray(0, length)) ?? false;
}

/** The bytes of a header, and the sha256 at their end. */
export function encodeHeader(header: Header): { readonly bytes: Buffer; readonly digest: Buffer } {
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.concat([MAGIC, uint32(VERSION), uint32(text.length)]);
  const digest = digestOf(start, text);
  return { bytes: Buffer.concat([start, text, digest]), digest };
}

/** @returns undefined if the file is too short */
export function readExactly(file: number, position: number, length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(length);
  return readSync(file, bytes, 0, length, position) === length ? bytes : undefined;
}

export function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
