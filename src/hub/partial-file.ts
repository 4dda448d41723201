import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileDigests, Hasher } from '../disk/digest.ts';
import { nameOfProcess, stateOfNamed } from '../disk/holder.ts';
import type { ListedFile } from './listing.ts';

/**
 * Processes of other machines and containers that share a folder cannot be asked whether they live. A download writes all the
 * time: after so many milliseconds without a write its file is abandoned.
 */
const ABANDONED_MS = 60_000;
/** In the name of a partial file that nobody writes, in place of the process. */
const NOBODY = 'free';
const PARTIAL = /\.(free|[0-9a-f]{8}-\d+-\d+)-[0-9a-f-]+\.incomplete$/u;
let files = 0;

/**
 * A file that is still arriving: `<blob>.<process>-<n>.incomplete`, beside the blob that it will be. The name says who
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
    const path = join(folder, `${blob}.${await nameOfProcess()}-${files++}.incomplete`);
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
    else await rename(this.path, `${this.blob}.${NOBODY}-${randomUUID()}.incomplete`);
  }
}

/** Renames the largest abandoned file to `path`, and deletes the others. */
async function takeOver(folder: string, blob: string, path: string): Promise<void> {
  const abandoned: { file: string; size: number }[] = [];
  for (const name of await readdir(folder)) {
    const [, writer] = (name.startsWith(`${blob}.`) && PARTIAL.exec(name)) || [];
    if (writer === undefined) continue;
    const file = join(folder, name);
    const info = await lstat(file).catch(() => undefined);
    if (!info?.isFile()) continue;
    const state = writer === NOBODY ? 'dead' : await stateOfNamed(writer);
    if (state === 'dead' || (state === 'unknown' && Date.now() - info.mtimeMs > ABANDONED_MS))
      abandoned.push({ file, size: info.size });
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
