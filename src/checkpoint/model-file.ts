import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ModelError, messageOf } from '../errors.ts';

/** The largest text file of a model, in bytes. A tokenizer.json of 250,000 pieces has 35 MB. */
const MAX_TEXT_BYTES = 256_000_000;

/**
 * Opens a file of a model. It must be a regular file, because a FIFO would block the reader and a device has no end.
 *
 * @throws ModelError if it cannot be opened or is not a regular file
 */
export async function openModelFile(path: string, next: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw new ModelError(`cannot read ${path}: ${messageOf(error)}`, next, error);
  }
  const found = await handle.stat();
  if (found.isFile()) return { handle, size: found.size };
  await handle.close();
  throw new ModelError(`cannot read ${path}: it is ${found.isDirectory() ? 'a folder' : 'not a regular file'}`, next);
}

/** Reads a text file of a model, such as a config. @throws ModelError as {@link readModelBytes} */
export async function readModelText(path: string, next: string): Promise<string> {
  return (await readModelBytes(path, next)).toString();
}

/**
 * Reads a small file of a model, such as a vocabulary.
 *
 * @throws ModelError if it cannot be read, is not a regular file or is too large
 */
export async function readModelBytes(path: string, next: string): Promise<Buffer> {
  const { handle, size } = await openModelFile(path, next);
  try {
    if (size <= MAX_TEXT_BYTES) return await handle.readFile();
  } finally {
    await handle.close();
  }
  throw new ModelError(`${path} has ${size} bytes, more than ${MAX_TEXT_BYTES}`, next);
}
