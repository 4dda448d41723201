import { constants, createReadStream, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';

/** Opening a FIFO does not wait for its writer. Windows has no such flag. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens an input of the user: a file, a device, or a FIFO from process substitution. Waiting for a FIFO needs no thread, so the program
 * can end while nobody writes to it.
 *
 * @throws Error if there is no such file, or it is a folder
 */
export async function openInput(path: string | Buffer): Promise<Readable> {
  const handle = await open(path, AT_ONCE);
  const info = await handle.stat();
  if (info.isFile()) return handle.createReadStream({ highWaterMark: 1 << 18 });
  await handle.close();
  if (info.isDirectory()) throw new Error('it is a folder');
  if (!info.isFIFO()) return createReadStream(path);
  return new Socket({ fd: openSync(path, AT_ONCE), readable: true, writable: false });
}

/**
 * Reads an input up to a limit, because a device may have no end.
 *
 * @throws Error as {@link openInput}, or if it has more than `limit` bytes
 */
export async function readInput(path: string, limit: number): Promise<Buffer> {
  const stream = await openInput(path);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new Error(`it has more than ${limit} bytes`); // also ends the stream
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
