import type { Readable } from 'node:stream';
import { openInput } from '../disk/input.ts';
import { asUtf8 } from '../disk/text.ts';
import { messageOf, UsageError } from '../errors.ts';
import { type Path, pathOfBytes } from './path.ts';

/** The longest entry, in bytes. A longer one means another separator, because the longest path of Linux has 4,096 bytes. */
const LONGEST_ENTRY = 65_536;

const [NUL, LF, CR] = [0, 10, 13] as const;

/** Opens a list of paths. @throws UsageError if there is no such file */
export async function openList(file: string): Promise<Readable> {
  try {
    return await openInput(file);
  } catch (error) {
    throw new UsageError(`cannot read the list ${file}: ${messageOf(error)}`, 'check --files-from', error);
  }
}

/**
 * The paths of a list, each as soon as it arrives. Lines may end with CRLF, and blank lines are skipped. With NUL, an entry may
 * contain any character.
 *
 * @param name the name of the list, for messages
 * @param signal aborted when the stream is closed because no more images are needed
 * @throws UsageError if it is not such a list, or cannot be read
 */
export async function* readList(
  stream: Readable,
  separator: 'line' | 'nul',
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<Path> {
  const end = separator === 'nul' ? NUL : LF;
  const pathIn = separator === 'nul' ? pathOfBytes : pathInLine;
  let rest: Buffer = Buffer.alloc(0);
  let isFirst = true;
  const entry = (bytes: Buffer): Path => {
    if (separator === 'line' && bytes.includes(NUL))
      throw new UsageError(`the list ${name} contains NUL bytes`, 'add -0 if NUL separates the paths');
    const path = pathIn(isFirst && separator === 'line' ? withoutBom(bytes) : bytes);
    isFirst = false;
    return path;
  };
  try {
    for await (const chunk of asUtf8(stream)) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let at = rest.indexOf(end); at >= 0; at = rest.indexOf(end, start)) {
        const path = entry(rest.subarray(start, at));
        start = at + 1;
        if (path !== '') yield path;
      }
      rest = rest.subarray(start);
      if (rest.length > LONGEST_ENTRY) throw tooLong(name, separator);
    }
    const last = entry(rest);
    if (last !== '') yield last;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (signal?.aborted) return; // the stream was closed on purpose
    throw new UsageError(`cannot read the list ${name}: ${messageOf(error)}`, 'check --files-from', error);
  }
}

function tooLong(name: string, separator: 'line' | 'nul'): UsageError {
  return new UsageError(
    `the list ${name} has an entry of more than ${LONGEST_ENTRY} bytes`,
    separator === 'nul' ? 'remove -0 if newlines separate the paths' : 'use a list with one path per line',
  );
}

function pathInLine(line: Buffer): Path {
  return pathOfBytes(line.at(-1) === CR ? line.subarray(0, -1) : line);
}

function withoutBom(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(Buffer.of(0xef, 0xbb, 0xbf)) ? bytes.subarray(3) : bytes;
}
