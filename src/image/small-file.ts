import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { AT_ONCE } from './file.ts';

const SMALL_BYTES = 1_000_000;
/** Milliseconds after which a read counts as slow. Files in the page cache take a tenth of it. */
const SLOW_MS = 2;
/** After a slow read, this number of files is read by readSource(), which does not block. */
const PAUSE = 64;

/**
 * Reads small files synchronously: passing each of the seven calls of {@link readSource} to another thread takes longer than reading a
 * file from the page cache. It pauses if the disk is slow.
 */
export class SmallFileReader {
  private readonly buffer = Buffer.allocUnsafeSlow(SMALL_BYTES + 1);
  private pause = 0;

  /** @returns the bytes, valid until the next call; undefined if it is not a small file, or reads are slow */
  read(path: string | Buffer): Buffer | undefined {
    if (this.pause > 0) {
      this.pause--;
      return undefined;
    }
    const start = performance.now();
    try {
      return statSync(path).isFile() ? this.readFile(path) : undefined;
    } catch {
      return undefined; // readSource() reports the error
    } finally {
      if (performance.now() - start > SLOW_MS) this.pause = PAUSE;
    }
  }

  private readFile(path: string | Buffer): Buffer | undefined {
    const file = openSync(path, AT_ONCE);
    try {
      const before = fstatSync(file);
      if (!before.isFile() || before.size === 0 || before.size > SMALL_BYTES) return undefined;
      const length = readSync(file, this.buffer, 0, before.size + 1, 0);
      const after = fstatSync(file);
      const same = length === before.size && after.size === before.size && after.mtimeMs === before.mtimeMs;
      return same ? this.buffer.subarray(0, length) : undefined;
    } finally {
      closeSync(file);
    }
  }
}
