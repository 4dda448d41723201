import { constants, createReadStream, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pathOfAddress, unsupportedAddress } from './address.ts';

/** The most characters of a line (CWE-770). A name and an embedding of 4,096 numbers take a tenth of it. */
const MAX_LINE = 1_000_000;
/** The most bytes of a JSON file, because its text must fit into one string. */
export const LARGEST_JSON = 500_000_000;
/** The most bytes of a file with tokens. */
export const LARGEST_TOKEN_FILE = 1 << 20;
/** Opening a FIFO does not wait for its writer. Windows has no such flag. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens an input of the user: a file, also as a `file:` address, a device, or a FIFO from process substitution. Waiting for a FIFO needs no
 * thread, so the program can end while nobody writes to it.
 *
 * @throws Error if there is no such file, or it is a folder
 */
export async function openInput(given: string | Buffer): Promise<Readable> {
  const path = typeof given === 'string' ? pathOfAddress(given) : given;
  const handle = await open(path, AT_ONCE).catch((error: unknown) => {
    const address = typeof given === 'string' ? unsupportedAddress(given) : undefined;
    throw address === undefined ? error : new Error(`it is no local file: ${address.nextStep}`);
  });
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

/** {@link readInput} as UTF-8. */
export async function readInputText(path: string, limit: number): Promise<string> {
  return (await readInput(path, limit)).toString();
}

/**
 * The lines of an input, as it is read.
 *
 * @throws Error as {@link openInput}, or if a line has more than a million characters
 */
export async function* inputLines(path: string): AsyncGenerator<string> {
  let rest = '';
  const stream = (await openInput(path)).setEncoding('utf8');
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > MAX_LINE) throw new TypeError(`one line has more than ${MAX_LINE} characters`);
  }
  if (rest !== '') yield rest;
}
