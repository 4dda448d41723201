import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** Opening never waits, and no terminal becomes ours. Windows has neither flag. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const SMALL_BYTES = 1_000_000;
/** What lies in the page cache is read in a tenth of it. */
const SLOW_MS = 2;
/** After a slow one so many files are left to readSource(), which does not block. */
const PAUSE = 64;

/**
 * Reads small files without leaving the thread: each of the seven calls of {@link readSource} takes longer to hand to another
 * thread than a file in the page cache takes to read. Where the disk is slow it stands back.
 */
export class SmallFileReader {
  private readonly buffer = Buffer.allocUnsafeSlow(SMALL_BYTES + 1);
  private pause = 0;

  /** @returns the bytes, until the next call; undefined for what is not small, not a file, or not to be read just now */
  read(path: string | Buffer): Buffer | undefined {
    if (this.pause > 0) {
      this.pause--;
      return undefined;
    }
    const start = performance.now();
    try {
      return statSync(path).isFile() ? this.readFile(path) : undefined;
    } catch {
      return undefined; // readSource() says what is the matter
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
