import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** The Hub's checksum of a file: sha256 for a file in LFS, otherwise git's sha1 of the blob. */
export interface Digest {
  readonly algorithm: 'sha256' | 'git-sha1';
  readonly hex: string;
}

/** The checksums of a file: the sha256, which is recorded, and the checksum of the Hub. */
export interface FileDigests {
  readonly sha256: string;
  /** In the algorithm of the {@link Digest} that is expected. */
  readonly hub: string;
}

/** Hashes the bytes of a file in pieces. */
export class Hasher {
  private readonly sha256: Hash = createHash('sha256');
  private readonly gitSha1: Hash | undefined;

  /** @param size of the whole file in bytes, because git's hash begins with it */
  constructor(algorithm: Digest['algorithm'], size: number) {
    if (algorithm === 'git-sha1') this.gitSha1 = createHash('sha1').update(`blob ${size}\0`);
  }

  update(bytes: Uint8Array): void {
    this.sha256.update(bytes);
    this.gitSha1?.update(bytes);
  }

  /** Ends the hashing. */
  digests(): FileDigests {
    const sha256 = this.sha256.digest('hex');
    return { sha256, hub: this.gitSha1?.digest('hex') ?? sha256 };
  }
}

/** Digests of a file, read from beginning to end in pieces. @param size in bytes, as {@link Hasher} needs it */
export async function digestFile(
  path: string | Buffer,
  algorithm: Digest['algorithm'],
  size: number,
): Promise<FileDigests> {
  const hasher = new Hasher(algorithm, size);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hasher.update(chunk);
  return hasher.digests();
}

/** A file, compared with its recorded checksum. */
export interface CheckedFile {
  readonly path: string;
  readonly state: 'good' | 'missing' | 'changed';
}

/** Compares a file with its sha256. @param hash how the file is hashed @default it is read from beginning to end */
export async function checkFile(
  path: string,
  expected: unknown,
  hash: (path: string) => Promise<string> = sha256OfFile,
): Promise<CheckedFile> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return { path, state: 'missing' };
  return { path, state: (await hash(path)) === expected ? 'good' : 'changed' };
}

export function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The sha256 of a file, read from beginning to end. */
export async function sha256OfFile(path: string): Promise<string> {
  return (await digestFile(path, 'sha256', 0)).sha256;
}

/** 64 hex digits are a sha256, 40 the sha1 of a git blob. */
export function toDigest(value: unknown): Digest | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^[0-9a-f]{64}$/u.test(value)) return { algorithm: 'sha256', hex: value };
  return /^[0-9a-f]{40}$/u.test(value) ? { algorithm: 'git-sha1', hex: value } : undefined;
}

/** Shows whether a file was touched: its inode, size and times of change in nanoseconds, with links resolved. */
export async function stampOf(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
}
