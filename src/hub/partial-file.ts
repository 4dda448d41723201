import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pid } from 'node:process';
import { type FileDigests, Hasher } from '../disk/digest.ts';
import { isAlive } from '../disk/holder.ts';
import type { ListedFile } from './listing.ts';

/** Processes of other machines that share a folder cannot be asked whether they live. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
/** A download writes all the time: its file is abandoned after so long, in milliseconds. */
const ABANDONED_MS = 60_000;
/** In the name of a partial file that nobody writes. */
const NOBODY = 0;
let files = 0;

/**
 * A file that is still arriving: `<blob>.<host>-<pid>-<n>.incomplete`, beside the blob that it will be. The name says who
 * writes it, so that no two processes write one file even where no lock holds (as huggingface_hub since its PR 4228);
 * what a dead process left is taken over by renaming it, which one process alone can do.
 */
export class PartialFile {
  private hasher: Hasher;
  private constructor(
    readonly path: string,
    private readonly blob: string,
    private readonly handle: FileHandle,
    private readonly wanted: ListedFile,
    /** bytes on disk */
    public size: number,
  ) {
    this.hasher = new Hasher(wanted.digest.algorithm, wanted.size);
  }

  /** Takes over what is there of the blob, or begins. */
  static async open(folder: string, wanted: ListedFile): Promise<PartialFile> {
    const blob = wanted.digest.hex;
    const path = join(folder, nameOf(blob, pid));
    await takeOver(folder, blob, path);
    const { O_RDWR, O_CREAT, O_NOFOLLOW = 0 } = constants;
    const handle = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o666);
    const partial = new PartialFile(path, join(folder, blob), handle, wanted, (await handle.stat()).size);
    if (partial.size > wanted.size) await partial.reset();
    const chunk = Buffer.alloc(1 << 20);
    for (let at = 0; at < partial.size; ) {
      const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, partial.size - at), at);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      partial.hasher.update(chunk.subarray(0, bytesRead));
      at += bytesRead;
    }
    return partial;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.handle.write(bytes, written, bytes.length - written, this.size + written);
      written += bytesWritten;
    }
    this.size += bytes.length;
    this.hasher.update(bytes);
  }

  /** Throws away what is there. */
  async reset(): Promise<void> {
    await this.handle.truncate(0);
    this.size = 0;
    this.hasher = new Hasher(this.wanted.digest.algorithm, this.wanted.size);
  }

  /** The first bytes, to tell what arrived instead of the file. */
  async head(length: number): Promise<string> {
    const { buffer, bytesRead } = await this.handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString('latin1', 0, bytesRead);
  }

  /** Of the whole file, once; {@link reset} begins anew. */
  digests(): FileDigests {
    return this.hasher.digests();
  }

  /** Puts the whole file where it belongs, on disk before it has its name. */
  async finish(): Promise<void> {
    await this.handle.sync();
    await this.handle.close();
    await rename(this.path, this.blob);
  }

  /** Leaves what is there to whoever tries again. */
  async leave(): Promise<void> {
    await this.handle.close();
    if (this.size === 0) await rm(this.path, { force: true });
    else await rename(this.path, `${this.blob}.${HOST}-${NOBODY}-${pid}.incomplete`);
  }
}

function nameOf(blob: string, writer: number): string {
  return `${blob}.${HOST}-${writer}-${files++}.incomplete`;
}

/** Renames the largest abandoned file to `path`, and deletes the others. */
async function takeOver(folder: string, blob: string, path: string): Promise<void> {
  const abandoned: { file: string; size: number }[] = [];
  for (const name of await readdir(folder)) {
    const owner = name.startsWith(`${blob}.`) && /\.([0-9a-f]{8})-(\d+)-\d+\.incomplete$/u.exec(name);
    if (!owner) continue;
    const file = join(folder, name);
    const info = await lstat(file).catch(() => undefined);
    if (!info?.isFile()) continue;
    const [, host, writer] = owner;
    const gone =
      host === HOST ? Number(writer) === NOBODY || !isAlive(Number(writer)) : Date.now() - info.mtimeMs > ABANDONED_MS;
    if (gone) abandoned.push({ file, size: info.size });
  }
  abandoned.sort((a, b) => b.size - a.size);
  let taken = false;
  for (const { file } of abandoned) {
    if (taken) await rm(file, { force: true });
    else
      taken = await rename(file, path).then(
        () => true,
        () => false, // another process was faster
      );
  }
}
