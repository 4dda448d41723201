import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isAbsent } from '../../disk/exists.ts';
import { openInput } from '../../disk/input.ts';
import { ImageError, messageOf } from '../../errors.ts';
import { tooLarge } from '../../image/file.ts';
import type { ImageSource, Membership } from '../../image/source.ts';
import { isImageName } from '../kinds.ts';
import type { LeftOut } from '../left-out.ts';
import { bytesOfPath, openable, type Path, sourceOf } from '../path.ts';
import { STDIN } from '../stdin.ts';
import { carriedBy, isCarried } from './carried.ts';
import { OtherCompression } from './decompress.ts';
import type { Member } from './members.ts';
import { sampleName, samplesOf } from './sample.ts';

/** How a tar is read. */
export interface TarOptions {
  /** Opens standard input, for the tar `-`. */
  readonly stdin?: (() => Readable) | undefined;
  /** Extensions of texts that are added to the pictures of the same sample. */
  readonly carry?: readonly string[] | undefined;
  readonly leftOut?: LeftOut | undefined;
  /** Aborted when no more images are wanted. */
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => unknown) | undefined;
}

/** Whether a path names a tar. Tars are not read from URLs. */
export function isTarName(path: Path): boolean {
  if (sourceOf(path).kind === 'url') return false;
  return /\.(tar|tar\.(gz|zstd?|bz2|xz|lz4)|tgz|tzst|tbz2?|txz)$/iu.test(path); // the error for a compression that is not supported has advice
}

/**
 * The pictures in a tar in their order, named `<tar>/<member>`. Nothing is unpacked to disk, and one sample is in memory.
 *
 * A member or tar that cannot be read becomes an image with an error, under the name of the member or tar.
 */
export async function* tarImages(tar: Path, options: TarOptions): AsyncGenerator<ImageSource> {
  const { carry = [], leftOut, signal, onWarning } = options;
  const ending = { isMarked: false };
  let count = 0;
  let close = () => {};
  try {
    const { readMembers } = await import('./members.ts'); // most runs read no tar
    const { stream, stamp } = await open(tar, options);
    close = () => void stream.destroy();
    signal?.addEventListener('abort', close, { once: true });
    if (signal?.aborted) close();
    const isPicture = (name: Path) => sampleName(name) !== undefined && isImageName(name);
    const members = counted(
      readMembers(stream, (name) => isPicture(name) || isCarried(name, carry), ending),
      () => count++,
    );
    // A sample ends with the first member of the next one. Without --carry, pictures do not wait for that.
    const samples = carry.length > 0 ? samplesOf(members) : alone(members);
    let number = 0;
    for await (const sample of samples) {
      for (const member of sample.members) {
        if (!isPicture(member.name)) continue;
        if (member.kind === 'link') leftOut?.add(member.name, 'tar link');
        if (member.kind === 'link' || member.kind === 'other') continue;
        const membership = {
          key: readable(sample.key),
          ...(stamp !== undefined && { stamp: `${stamp} ${number++}` }),
          ...(carry.length > 0 && { carried: carriedBy(sample.members, carry) }),
        };
        yield memberImage(`${tar}/${member.name}`, member, membership);
      }
    }
    if (!ending.isMarked && count > 0)
      onWarning?.(`${tar} has no end-of-archive block; it may be truncated after ${membersIn(count)}`);
  } catch (error) {
    if (signal?.aborted) return; // the stream was closed on purpose
    yield failing(tar, reasonOf(tar, count, error), { key: '', isArchive: true });
  } finally {
    signal?.removeEventListener('abort', close); // there may be thousands of tars
  }
}

async function open(tar: Path, { stdin }: TarOptions): Promise<{ stream: Readable; stamp?: string }> {
  if (tar === STDIN && stdin !== undefined) return { stream: stdin() };
  const path = openable(tar);
  const info = await stat(path, { bigint: true });
  const stream = await openInput(path);
  return info.isFile() ? { stream, stamp: stampOf(info) } : { stream };
}

/** Shows whether a tar was touched. */
function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}

async function* counted(members: AsyncIterable<Member>, count: () => void): AsyncGenerator<Member> {
  for await (const member of members) {
    count();
    yield member;
  }
}

async function* alone(members: AsyncIterable<Member>) {
  for await (const member of members) yield { key: sampleName(member.name)?.key ?? '', members: [member] };
}

function memberImage(
  path: Path,
  member: Exclude<Member, { kind: 'link' | 'other' }>,
  membership: Membership,
): ImageSource {
  const name = readable(path);
  switch (member.kind) {
    case 'file':
      return { kind: 'bytes', name, bytes: member.bytes, member: withPath(membership, path) };
    case 'sparse': {
      const fact = `${name} is a sparse file, whose holes are not in the tar`;
      return failing(path, new ImageError('E_FORMAT', fact, 'pack it again without --sparse'), membership);
    }
    case 'large':
      return failing(path, tooLarge(name, member.size), membership);
  }
}

/** An image whose read fails with this error. */
function failing(path: Path, error: ImageError, membership: Membership): ImageSource {
  return {
    kind: 'stream',
    name: readable(path),
    read: () => Promise.reject(error),
    member: withPath(membership, path),
  };
}

function readable(path: Path): string {
  return bytesOfPath(path).toString();
}

/** Adds the bytes of a path that is not valid UTF-8. */
function withPath(membership: Membership, path: Path): Membership {
  const bytes = openable(path);
  return typeof bytes === 'string' ? membership : { ...membership, pathBytes: bytes };
}

/** The error for a tar that cannot be read. */
function reasonOf(tar: Path, members: number, error: unknown): ImageError {
  const name = tar === STDIN ? 'standard input' : readable(tar);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof OtherCompression) {
    const advice = `decompress it: ${error.program} -dc <file> | clip-classify --tar -`;
    return new ImageError('E_FORMAT', `${name} is compressed with ${error.program}`, advice, error);
  }
  if (isAbsent(error)) return new ImageError('E_NOT_FOUND', `${name} does not exist`, 'check the path', error);
  if (/^E[A-Z]+$/u.test(code) || messageOf(error) === 'it is a folder')
    return new ImageError('E_UNREADABLE', `cannot read ${name}: ${messageOf(error)}`, 'check the file', error);
  const why = wordsOf(error);
  if (members === 0 && why !== TRUNCATED)
    return new ImageError('E_FORMAT', `${name} is not a tar: ${why}`, 'check what the file is', error);
  const [where, advice] =
    members === 0
      ? ['in its first member', 'download or pack the tar again']
      : [
          `after ${membersIn(members)}`,
          'download or pack the tar again; the pictures before the damage have their rows',
        ];
  return new ImageError('E_DECODE', `${name} is damaged ${where}: ${why}`, advice, error);
}

function membersIn(count: number): string {
  return count === 1 ? '1 member' : `${count} members`;
}

const TRUNCATED = 'it is truncated';

/** The messages of tar-stream, zlib and fzstd in our words. */
function wordsOf(error: unknown): string {
  const message = messageOf(error);
  if (/^unexpected end|^unexpected eof/iu.test(message)) return TRUNCATED;
  if (/^invalid tar header/iu.test(message)) return 'a header has the wrong checksum';
  if (/^(invalid header|header exceeds)/iu.test(message)) return 'a header is invalid';
  return message;
}
