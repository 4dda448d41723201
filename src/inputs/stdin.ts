import type { Readable } from 'node:stream';
import { ImageError, messageOf } from '../errors.ts';
import { checkSize, MAX_FILE_BYTES } from '../image/file.ts';
import type { ImageSource } from '../image/source.ts';

/** The argument, and the name in results, of the image on standard input. */
export const STDIN = '-';

/** One image on standard input; read, up to the limit, when it is its turn. */
export function stdinImage(open: () => Readable): ImageSource {
  return { name: STDIN, read: () => readAll(open()) };
}

async function readAll(stream: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_FILE_BYTES) checkSize('standard input', size);
    }
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw new ImageError('E_UNREADABLE', `cannot read standard input: ${messageOf(error)}`, 'use a file', error);
  }
  return Buffer.concat(chunks, size);
}
