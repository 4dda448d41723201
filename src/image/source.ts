import { type FileHandle, open, stat } from 'node:fs/promises';
import { ImageError, messageOf, UsageError } from '../errors.ts';

/** Where an image comes from: a path, or bytes with a name for the results. */
export type ImageSource = string | { readonly name: string; readonly bytes: Uint8Array };

/** Larger files are refused before they are read. */
export const MAX_FILE_BYTES = 200_000_000;

/** What results call an image. */
export function nameOf(source: ImageSource): string {
  return typeof source === 'string' ? source : source.name;
}

/**
 * The bytes of an image. Only regular files are opened: a FIFO or a device would block or never end.
 *
 * @throws ImageError E_NOT_FOUND, E_UNREADABLE or E_FILE_SIZE
 */
export async function readSource(source: ImageSource): Promise<Uint8Array> {
  if (typeof source !== 'string') {
    if (!(source.bytes instanceof Uint8Array))
      throw new UsageError('an image is neither a path nor { name, bytes }', 'give one of these');
    checkSize(source.name, source.bytes.length);
    return source.bytes;
  }
  let handle: FileHandle | undefined;
  try {
    const info = await stat(source);
    if (info.isDirectory())
      throw new ImageError('E_UNREADABLE', `${source} is a folder that cannot be opened`, 'check its permissions');
    if (!info.isFile())
      throw new ImageError('E_UNREADABLE', `${source} is not a regular file`, 'name a file, or a folder of images');
    checkSize(source, info.size);
    handle = await open(source);
    const bytes = Buffer.alloc(info.size);
    const { bytesRead } = await handle.read(bytes, 0, info.size, 0);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    throw error instanceof ImageError ? error : unreadable(source, error);
  } finally {
    await handle?.close();
  }
}

function checkSize(name: string, size: number): void {
  if (size === 0) throw new ImageError('E_DECODE', `${name} is empty`, 'fetch or export it again');
  if (size > MAX_FILE_BYTES) {
    throw new ImageError(
      'E_FILE_SIZE',
      `${name} has ${size} bytes, the limit is ${MAX_FILE_BYTES}`,
      'make a smaller copy of it',
    );
  }
}

function unreadable(path: string, error: unknown): ImageError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ImageError('E_NOT_FOUND', `${path} does not exist`, 'check the path', error);
  }
  return new ImageError('E_UNREADABLE', `${path} cannot be read: ${messageOf(error)}`, 'check its permissions', error);
}
