import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileDigests, Hasher } from '../disk/digest.ts';
import { nameOfProcess, stateOfNamed } from '../disk/holder.ts';
import type { ListedFile } from './listing.ts';

/**
 * Milliseconds without a write after which a partial file is abandoned. Processes on other machines and in other containers cannot be
 * checked, but a download writes all the time.
 */
const ABANDONED_MS = 60_000;
/** Stands for the process in the name of a partial file that no process writes. */
const NOBODY = 'free';
const PARTIAL = /\.(free|[0-9a-f]{8}-\d+-\d+)-[0-9a-f-]+\.incomplete$/u;
let files = 0;

/**
 * A partial file, `<blob>.<process>-<n>.incomplete`, next to the future blob. The name contains its writer, so that two processes never
 * write the same file even if locks do not work (like huggingface_hub since its PR 4228). The file of a dead process is taken over by a
 * rename, which only one process can do.
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

  /** Takes over a partial file of the blob, or begins a new one. */
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

  /** Discards the bytes. */
  async reset(): Promise<void> {
    await this.handle.truncate(0);
    this.size = 0;
    this.hasher = new Hasher(this.wanted.digest.algorithm, this.wanted.size);
  }

  /** The first bytes, to recognise another content. */
  async head(length: number): Promise<string> {
    const { buffer, bytesRead } = await this.handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString('latin1', 0, bytesRead);
  }

  /** The digests of the whole file. May be called once, and again after {@link reset}. */
  digests(): FileDigests {
    return this.hasher.digests();
  }

  /** Renames the complete file to the blob, after its bytes are on disk. */
  async finish(): Promise<void> {
    await this.handle.sync();
    await this.handle.close();
    await rename(this.path, this.blob);
  }

  /** Keeps the bytes for a later download. */
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
        () => false, // another process has taken it
      );
  }
}
