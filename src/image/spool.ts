import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pid, platform } from 'node:process';

/** Collects bytes in pieces. */
export interface Collector<T> {
  add(chunk: Uint8Array): void;
  end(): T;
  /** Discards the bytes. */
  discard(): void;
}

/** The collected bytes: in memory, or in a file that exists until it is closed. */
export type Spooled = { readonly bytes: Uint8Array } | { readonly path: string; readonly close: () => void };

/** More bytes are written to a file, because several large images at once would fill the memory of two processes. */
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

/**
 * Collects few bytes in memory and many in a temporary file, which has no name on Linux and ends with this process. Bytes are written at
 * once, because undici fails if a server closes a download that is read too slowly.
 */
export function spooled(): Collector<Spooled> {
  const memory: Uint8Array[] = [];
  let size = 0;
  let file: { readonly fd: number; readonly path: string } | undefined;
  const close = () => {
    if (file === undefined) return;
    closeSync(file.fd);
    if (platform !== 'linux') rmSync(file.path, { force: true });
  };
  return {
    add(chunk) {
      size += chunk.length;
      if (size <= MEMORY_BYTES) return void memory.push(chunk);
      file ??= openTemporary();
      for (const one of [...memory.splice(0), chunk]) writeAll(file.fd, one);
    },
    end: () => (file ? { path: file.path, close } : { bytes: Buffer.concat(memory.splice(0), size) }),
    discard: close,
  };
}

function openTemporary(): { fd: number; path: string } {
  const path = join(tmpdir(), `clip-classify-${randomUUID()}`);
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  if (platform !== 'linux') return { fd, path };
  rmSync(path);
  return { fd, path: `/proc/${pid}/fd/${fd}` };
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
