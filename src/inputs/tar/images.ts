import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pathOfAddress } from '../../disk/address.ts';
import { openInput } from '../../disk/input.ts';
import { ImageError } from '../../errors.ts';
import { tooLarge } from '../../image/file.ts';
import type { ImageSource, Membership } from '../../image/source.ts';
import { withoutCredentials } from '../../network/url.ts';
import { isImageName } from '../kinds.ts';
import type { LeftOut } from '../left-out.ts';
import { openable, type Path } from '../path.ts';
import { STDIN } from '../stdin.ts';
import { notRead } from './address.ts';
import { carriedBy, isCarried } from './carried.ts';
import { emptyTar, membersIn, nameOf, readable, reasonOf } from './errors.ts';
import type { Ending, Member } from './members.ts';
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

/**
 * The pictures in a tar in their order, named `<tar>/<member>`. Nothing is unpacked to disk, and one sample is in memory.
 *
 * A member or tar that cannot be read becomes an image with an error, under the name of the member or tar.
 */
export async function* tarImages(tar: Path, options: TarOptions): AsyncGenerator<ImageSource> {
  const { carry = [], leftOut, signal, onWarning } = options;
  const why = notRead(tar);
  if (why !== undefined) {
    yield unreadable(withoutCredentials(tar), new ImageError('E_URL', why.fact, why.nextStep));
    return;
  }
  const ending: Ending = { isEmpty: true, isMarked: false };
  let count = 0;
  let pictures = 0;
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
    for await (const sample of samples) {
      for (const member of sample.members) {
        if (member.kind === 'other') leftOut?.add(member.name, 'name');
        if (!isPicture(member.name)) continue;
        if (member.kind === 'link') leftOut?.add(member.name, 'tar link');
        if (member.kind === 'link' || member.kind === 'other') continue;
        const membership = {
          key: readable(sample.key),
          ...(stamp !== undefined && { stamp: `${stamp} ${pictures}` }),
          ...(carry.length > 0 && { carried: carriedBy(sample.members, carry) }),
        };
        pictures++;
        yield memberImage(`${tar}/${member.name}`, member, membership);
      }
    }
    if (ending.isEmpty) yield unreadable(tar, emptyTar(tar));
    else if (!ending.isMarked)
      onWarning?.(`${nameOf(tar)} has no end-of-archive block; it may be truncated after ${membersIn(count)}`);
    else if (pictures === 0) onWarning?.(`${nameOf(tar)} contains no pictures (${membersIn(count)})`);
  } catch (error) {
    if (signal?.aborted) return; // the stream was closed on purpose
    yield unreadable(tar, reasonOf(tar, count, error));
  } finally {
    signal?.removeEventListener('abort', close); // there may be thousands of tars
  }
}

async function open(tar: Path, { stdin }: TarOptions): Promise<{ stream: Readable; stamp?: string }> {
  if (tar === STDIN && stdin !== undefined) return { stream: stdin() };
  const path = openable(pathOfAddress(tar));
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

/** A tar that cannot be read to its end. */
function unreadable(tar: Path, error: ImageError): ImageSource {
  return failing(tar, error, { key: '', isArchive: true });
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

/** Adds the bytes of a path that is not valid UTF-8. */
function withPath(membership: Membership, path: Path): Membership {
  const bytes = openable(path);
  return typeof bytes === 'string' ? membership : { ...membership, pathBytes: bytes };
}
