import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pid, platform } from 'node:process';

/** Takes what comes, piece by piece. */
export interface Collector<T> {
  add(chunk: Uint8Array): void | Promise<void>;
  end(): T | Promise<T>;
  /** It is not wanted any more. */
  discard(): void | Promise<void>;
}

/** What has come: in memory, or in a file that is there until it is closed. */
export type Spooled =
  | { readonly bytes: Uint8Array }
  | { readonly path: Uint8Array; readonly close: () => Promise<void> };

/** More bytes than these go to a file: several large images at once would fill the memory of two processes. */
const MEMORY_BYTES = 16_000_000;

/** Keeps everything in memory. */
export function inMemory(): Collector<Uint8Array> {
  const chunks: Uint8Array[] = [];
  return {
    add: (chunk) => void chunks.push(chunk),
    end: () => Buffer.concat(chunks),
    discard: () => void chunks.splice(0),
  };
}

/** Keeps little in memory and much in a temporary file, which on Linux has no name and ends with this process. */
export function spooled(): Collector<Spooled> {
  const memory: Uint8Array[] = [];
  let size = 0;
  let file: { readonly handle: FileHandle; readonly path: string } | undefined;
  const close = async () => {
    await file?.handle.close();
    if (file && platform !== 'linux') await rm(file.path, { force: true });
  };
  return {
    async add(chunk) {
      size += chunk.length;
      if (size <= MEMORY_BYTES) return void memory.push(chunk);
      file ??= await openTemporary();
      for (const one of [...memory.splice(0), chunk]) await writeAll(file.handle, one);
    },
    end: () => (file ? { path: Buffer.from(file.path), close } : { bytes: Buffer.concat(memory.splice(0), size) }),
    discard: close,
  };
}

async function openTemporary(): Promise<{ handle: FileHandle; path: string }> {
  const path = join(tmpdir(), `clip-classify-${randomUUID()}`);
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  const handle = await open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  if (platform !== 'linux') return { handle, path };
  await rm(path);
  return { handle, path: `/proc/${pid}/fd/${handle.fd}` };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}
