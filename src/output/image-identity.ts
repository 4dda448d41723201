import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { answerOf } from '../disk/patience.ts';
import type { ImageErrorCode } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { pathOf } from '../inputs/path.ts';
import type { Identity, WrittenRow } from './journal.ts';

/** Errors that may not happen again with the same file. */
export const PASSING: readonly string[] = ['E_TIMEOUT', 'E_CRASH', 'E_UNREADABLE', 'E_URL'] satisfies ImageErrorCode[];
const URL_STAMP = 'url';

/** An image and the state of its file. */
export interface NamedImage {
  readonly key: string;
  readonly identity: Identity;
}

/** @param checksum whether to compare contents, not times of change */
export async function identify(image: ImageSource, checksum: boolean): Promise<NamedImage> {
  const key = pathOf(image); // two paths that are not valid UTF-8 may have the same name
  if (image.kind === 'url') return { key, identity: { stamp: URL_STAMP } };
  if (image.kind !== 'file') {
    const stamp = image.member?.stamp;
    const hashed = checksum && image.kind === 'bytes';
    const sha256 = hashed ? createHash('sha256').update(image.bytes).digest('hex') : undefined;
    return { key, identity: { ...(stamp !== undefined && { stamp }), ...(sha256 && { sha256 }) } };
  }
  // Without an identity the row is not kept, and the time limit of images applies.
  return { key, identity: (await answerOf(identifyFile(image.path, checksum))) ?? {} };
}

async function identifyFile(path: string | Buffer, checksum: boolean): Promise<Identity> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  if (info === undefined) return { stamp: 'absent' };
  const stamp = `${info.size} ${info.mtimeNs} ${info.ctimeNs} ${info.ino}`;
  const sha256 = checksum && info.isFile() ? await hash(path) : undefined;
  return { stamp, ...(sha256 && { sha256 }) };
}

/** Whether a new run would write the same row as the earlier run. */
export function holds({ key, identity: before, failure }: WrittenRow, now: NamedImage): boolean {
  if (key !== now.key || (failure !== undefined && PASSING.includes(failure))) return false;
  if (before.stamp === URL_STAMP && failure !== undefined) return false;
  if (before.sha256 !== undefined && now.identity.sha256 !== undefined) return before.sha256 === now.identity.sha256;
  return before.stamp !== undefined && before.stamp === now.identity.stamp;
}

/** @returns undefined if the file cannot be read */
async function hash(path: string | Buffer): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const sha256 = createHash('sha256');
    for await (const bytes of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) sha256.update(bytes);
    return sha256.digest('hex');
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
