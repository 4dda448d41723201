import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, stat } from 'node:fs/promises';
import { shortAddress, unsupportedAddress } from '../disk/address.ts';
import { hasCode, isAbsent } from '../disk/exists.ts';
import { ImageError, messageOf, shownName } from '../errors.ts';
import { readAt } from './view.ts';

/** Larger images are refused before they are read. */
export const MAX_FILE_BYTES = 200_000_000;

/** Smaller files are read whole: no camera writes smaller RAW files. */
const WORTH_PIECES = 2_000_000;
/** How RAW files begin; most of them like a TIFF. */
const LIKE_RAW = /^(II[\x2a\x2b]\0|MM\0[\x2a\x2b]|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0|[\s\S]{4}ftypcrx )/u;

/** Waits until there is memory for this number of bytes. */
export type Reserve = (bytes: number) => Promise<void>;

/** Opening does not wait for the writer of a FIFO, and does not take a controlling terminal. Windows has neither flag. */
export const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * The bytes of a regular file, as they were when it was opened. For a camera's RAW file: only an excerpt with its largest JPEG.
 *
 * The file is checked before it is opened, because opening alone can start a device, and again when it is open, because it may have been
 * replaced in between.
 *
 * @param name the name in messages
 * @param reserve waits until there is memory for this number of bytes
 * @throws ImageError E_NOT_FOUND, E_UNREADABLE, E_DECODE (an empty one) or E_FILE_SIZE
 */
export async function readImageFile(
  path: string | Buffer,
  name: string,
  reserve: Reserve = async () => {},
): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    checkKind(name, await stat(path, { bigint: true }));
    handle = await open(path, AT_ONCE);
    const before = await handle.stat({ bigint: true });
    checkKind(name, before);
    const size = Number(before.size);
    const excerpt = size > WORTH_PIECES ? await excerptOf(handle, size) : undefined;
    if (excerpt === undefined) {
      checkSize(name, size);
      await reserve(size);
    }
    const bytes = excerpt ?? (await readAt(handle, 0, size + 1)); // one byte more, to notice a file that has grown
    const after = await handle.stat({ bigint: true });
    const isWhole = excerpt !== undefined || bytes.length === size;
    if (isWhole && after.size === before.size && after.mtimeNs === before.mtimeNs) return bytes;
    throw new ImageError('E_UNREADABLE', `${name} changed while it was read`, 'try again when the file is complete');
  } catch (error) {
    throw error instanceof ImageError ? error : await unreadable(path, name, error);
  } finally {
    await handle?.close();
  }
}

/** @throws ImageError E_DECODE for an empty image, E_FILE_SIZE for one over {@link MAX_FILE_BYTES} */
export function checkSize(name: string, size: number | bigint): void {
  if (Number(size) === 0) throw new ImageError('E_DECODE', `${name} is empty`, 'download or export the image again');
  if (Number(size) > MAX_FILE_BYTES) throw tooLarge(name, size);
}

/** The error for an image with more than {@link MAX_FILE_BYTES}. */
export function tooLarge(name: string, size: number | bigint): ImageError {
  const fact = `${name} has ${size} bytes; the limit is ${MAX_FILE_BYTES}`;
  return new ImageError('E_FILE_SIZE', fact, 'make a smaller copy of the image');
}

function checkKind(name: string, info: BigIntStats): void {
  if (info.isFile()) {
    if (info.size === 0n) checkSize(name, info.size);
    return;
  }
  if (info.isDirectory()) {
    throw new ImageError(
      'E_UNREADABLE',
      `${name} is a folder, not an image`,
      'pass folders as arguments, not in a list, and check their permissions',
    );
  }
  const kind = info.isFIFO() ? 'a FIFO' : info.isSocket() ? 'a socket' : 'a device';
  throw new ImageError(
    'E_UNREADABLE',
    `${name} is not a regular file, but ${kind}`,
    'use a file or a folder of images',
  );
}

/** An excerpt of a camera's RAW file; undefined for other files. */
async function excerptOf(handle: FileHandle, size: number): Promise<Buffer | undefined> {
  const start = (await readAt(handle, 0, 16)).toString('latin1');
  return LIKE_RAW.test(start) ? (await import('./raw/excerpt.ts')).rawExcerpt(handle, size) : undefined;
}

async function unreadable(path: string | Buffer, given: string, error: unknown): Promise<ImageError> {
  if (given === '')
    return new ImageError(
      'E_NOT_FOUND',
      'the name of an image is empty',
      'check for a variable that is not set',
      error,
    );
  const address = unsupportedAddress(given);
  if (address !== undefined) return new ImageError('E_URL', address.fact, address.nextStep, error);
  const name = shownName(given);
  if (isAbsent(error)) {
    const target = await linkTarget(path);
    const fact = target === undefined ? 'does not exist' : `is a link to ${target}, which does not exist`;
    const nextStep = /^(https?:|www\.)/iu.test(given) ? 'write a URL with https://' : 'check the path';
    return new ImageError('E_NOT_FOUND', `${shortAddress(name)} ${fact}`, nextStep, error);
  }
  if (hasCode(error, 'ELOOP'))
    return new ImageError(
      'E_UNREADABLE',
      `${name} is a symbolic link in a loop or in a chain that is too long`,
      'use the path of the file itself',
      error,
    );
  if (hasCode(error, 'ENXIO'))
    return new ImageError('E_UNREADABLE', `${name} is not a regular file`, 'use a regular file', error);
  return new ImageError(
    'E_UNREADABLE',
    `cannot read ${name}: ${messageOf(error)}`,
    'check the permissions of the file',
    error,
  );
}

async function linkTarget(path: string | Buffer): Promise<string | undefined> {
  const info = await lstat(path).catch(() => undefined);
  return info?.isSymbolicLink() ? await readlink(path).catch(() => undefined) : undefined;
}
