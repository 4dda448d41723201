import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ModelError, messageOf } from '../errors.ts';

/** A tokenizer.json of 250,000 pieces takes 35 MB. */
const MAX_TEXT_BYTES = 256_000_000;

/**
 * Opens a file of a model, whatever stands in its place: a FIFO would keep the reader waiting for ever, a device has no end.
 *
 * @throws ModelError if it cannot be opened or is no file
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

/**
 * Reads a text of a model, such as a config, whole.
 *
 * @throws ModelError if it cannot be read, is no file or is too large
 */
export async function readModelText(path: string, next: string): Promise<string> {
  const { handle, size } = await openModelFile(path, next);
  try {
    if (size <= MAX_TEXT_BYTES) return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
  throw new ModelError(`${path} has ${size} bytes, more than ${MAX_TEXT_BYTES}`, next);
}
