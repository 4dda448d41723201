import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { hasCode } from './exists.ts';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;

/** A path of this tool leads to something that is not a regular file. A FIFO would block its reader. */
export class NotARegularFile extends Error {
  override readonly name = 'NotARegularFile';
  readonly syscall = 'open';

  constructor(path: string | Buffer) {
    super(`${path} is not a regular file`);
  }
}

/** Reads a file that this tool wrote. @throws NotARegularFile for a FIFO, a device, a folder */
export async function readPlainFile(path: string): Promise<string> {
  return (await readPlainBytes(path)).toString();
}

/** {@link readPlainFile} as bytes. */
export async function readPlainBytes(path: string): Promise<Buffer> {
  const file = await openPlainFile(path, O_RDONLY | O_NONBLOCK);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** {@link readPlainFile} without a promise. */
export function readPlainFileSync(path: string): string {
  const file = openSync(path, O_RDONLY | O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) throw new NotARegularFile(path);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** Opens a file of this tool for reading and writing. Links are not followed. @throws NotARegularFile */
export function openOwnFile(path: string): Promise<FileHandle> {
  return openPlainFile(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
}

/** Creates a new file of this tool. An existing file or link of this name is removed; the target of the link is not changed. */
export async function createOwnFile(path: string, mode = 0o600): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, O_RDWR | O_CREAT | O_EXCL, mode);
}

/**
 * Writes a file of this tool as `<path>.tmp`, then renames it, so that it is written whole or not at all. Only one process at a time
 * may do this. The partial file of a killed process is removed.
 */
export async function replaceOwnFile(path: string, text: string, mode?: number): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await createOwnFile(temporary, mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** @throws NotARegularFile, also for a link if the flags forbid to follow it */
export async function openPlainFile(path: string | Buffer, flags: number, mode?: number): Promise<FileHandle> {
  const file = await open(path, flags, mode).catch((error: unknown) => {
    const isLink = (flags & O_NOFOLLOW) !== 0 && hasCode(error, 'ELOOP', 'EMLINK');
    throw isLink || hasCode(error, 'ENXIO') ? new NotARegularFile(path) : error; // ENXIO: a socket
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new NotARegularFile(path);
}
