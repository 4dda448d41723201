import type { Readable } from 'node:stream';
import { openInput } from '../disk/input.ts';
import { ImageError, messageOf } from '../errors.ts';
import { checkSize, MAX_FILE_BYTES } from '../image/file.ts';
import type { ImageSource } from '../image/source.ts';

/** The argument, and the name in results, of the image on standard input. */
export const STDIN = '-';

/** One image on standard input. It is read when it is needed, up to the limit. */
export function stdinImage(open: () => Readable): ImageSource {
  return { kind: 'stream', name: STDIN, read: () => readAll(open()) };
}

/** Paths of open pipes, such as /dev/stdin and <(…). Only this process can read them. */
const INHERITED = /^\/(dev\/(stdin|fd\/\d{1,6})|proc\/self\/fd\/\d{1,6})$/u;

/** Whether a name stands for bytes that a shell passes on, not for a file. */
export function isPassedBytes(name: string): boolean {
  return name === STDIN || INHERITED.test(name);
}

/** The image of such a path; undefined for any other path. */
export function inheritedImage(path: string): ImageSource | undefined {
  if (!INHERITED.test(path)) return undefined;
  return { kind: 'stream', name: path, read: async () => readAll(await openInherited(path), path) };
}

async function openInherited(path: string): Promise<Readable> {
  try {
    return await openInput(path);
  } catch (error) {
    throw new ImageError('E_UNREADABLE', `cannot read ${path}: ${messageOf(error)}`, 'use a file', error);
  }
}

async function readAll(stream: Readable, name = 'standard input'): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_FILE_BYTES) checkSize(name, size);
    }
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError('E_UNREADABLE', `cannot read ${name}: ${messageOf(error)}`, 'use a file', error);
  }
  return Buffer.concat(chunks, size);
}
