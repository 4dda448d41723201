import type { Readable } from 'node:stream';
import { extract, type Header } from 'tar-stream';
import { MAX_FILE_BYTES } from '../../image/file.ts';
import { type Path, pathOfBytes } from '../path.ts';
import { decompressed } from './decompress.ts';

/** A member of a tar. Nothing is written to disk, so any name is safe. */
export type Member =
  /** A regular file. */
  | { readonly kind: 'file'; readonly name: Path; readonly bytes: Buffer }
  /** A file that is skipped because of its name. */
  | { readonly kind: 'other'; readonly name: Path }
  /** A link, which has no own bytes. */
  | { readonly kind: 'link'; readonly name: Path }
  /** A file whose holes are not stored. */
  | { readonly kind: 'sparse'; readonly name: Path }
  /** A file of more than {@link MAX_FILE_BYTES}. */
  | { readonly kind: 'large'; readonly name: Path; readonly size: number };

/** How the reading of a tar ended. */
export interface Ending {
  /** There was not one byte. */
  isEmpty: boolean;
  /** The tar ends with the block of zeros that each tar should have. */
  isMarked: boolean;
}

/**
 * The members of a tar in their order. One of them is in memory.
 *
 * @param wants whether the bytes of a file with this name are needed
 * @throws the error of a damaged tar, or of the stream
 */
export async function* readMembers(
  stream: Readable,
  wants: (name: Path) => boolean,
  ending: Ending = { isEmpty: true, isMarked: false },
): AsyncGenerator<Member> {
  // options that are missing in its types
  const options: object = { filenameEncoding: 'latin1', allowUnknownFormat: true };
  const tar = extract(options);
  const entries = tar[Symbol.asyncIterator]();
  const fed = feed(decompressed(stream), tar, ending);
  fed.catch(() => {}); // the entries also report it
  try {
    for (;;) {
      const next = await entries.next();
      if (next.done) break;
      const member = await readMember(next.value, wants);
      if (member !== undefined) yield member;
    }
    await fed;
  } finally {
    stream.destroy();
    tar.destroy();
  }
}

/** Passes the bytes to the parser, which may be slower. */
async function feed(bytes: AsyncIterable<Buffer>, tar: ReturnType<typeof extract>, ending: Ending): Promise<void> {
  const closed = new Promise<void>((done) => void tar.once('close', () => done()));
  try {
    for await (const chunk of bytes) {
      ending.isEmpty &&= chunk.length === 0;
      ending.isMarked = chunk.subarray(-512).every((byte) => byte === 0);
      if (!tar.write(chunk))
        await Promise.race([new Promise<void>((done) => void tar.once('drain', () => done())), closed]);
      if (tar.destroyed) return;
    }
    tar.end(undefined);
  } catch (error) {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** The header of a member. */
interface Entry extends AsyncIterable<unknown> {
  readonly header: Header;
  resume(): unknown;
}

/** @returns undefined for a folder or device */
async function readMember(entry: Entry, wants: (name: Path) => boolean): Promise<Member | undefined> {
  const { header } = entry;
  const pax: Readonly<Record<string, string>> = Object(header.pax);
  const name = pax['GNU.sparse.name'] ?? pax['path'] ?? pathOfBytes(Buffer.from(header.name, 'latin1'));
  const { size } = header;
  const type: string | null = header.type;
  const isSparse = Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'));
  const isFile = type === 'file' || type === 'contiguous-file';
  if (isFile && !isSparse && size <= MAX_FILE_BYTES && wants(name)) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    return { kind: 'file', name, bytes: Buffer.concat(chunks) };
  }
  entry.resume();
  // tar-stream knows no type for `S`, the sparse files of old GNU tars.
  if ((isSparse || type === null) && wants(name)) return { kind: 'sparse', name };
  if (type === 'link' || type === 'symlink') return { kind: 'link', name };
  if (!isFile) return undefined;
  return wants(name) ? { kind: 'large', name, size } : { kind: 'other', name };
}
