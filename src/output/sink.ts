import { WriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { messageOf, OutputError } from '../errors.ts';

/** The reader of a pipe has gone: a normal end, such as after `| head`. */
export class ClosedPipe extends Error {
  override readonly name = 'ClosedPipe';
}

/** Writes text and waits until the stream has taken it, so that a slow reader holds up the work, not the memory. */
export class Sink {
  constructor(
    private readonly stream: Writable,
    private readonly name: string,
  ) {
    stream.on('error', () => {}); // told by the callback of write
  }

  /** @throws ClosedPipe or OutputError */
  write(text: string | Uint8Array): Promise<void> {
    if (text.length === 0) return Promise.resolve();
    return new Promise((done, failed) => {
      this.stream.write(text, (error) => (error ? failed(this.explain(error)) : done()));
    });
  }

  /** Closes a file; standard output is left to the process. */
  close(): Promise<void> {
    if (!(this.stream instanceof WriteStream)) return Promise.resolve();
    return new Promise((done, failed) => {
      this.stream.end((error?: Error | null) => (error ? failed(this.explain(error)) : done()));
    });
  }

  /** What a failed write means. */
  explain(error: Error): Error {
    if ('code' in error && error.code === 'EPIPE') return new ClosedPipe();
    return cannotWrite(this.name, error);
  }
}

/** What it means that a file, or what lies beside it, cannot be written. */
export function cannotWrite(name: string, error: unknown): OutputError {
  const fact = `cannot write ${name}: ${messageOf(error)}`;
  return new OutputError(fact, 'check the path, the permissions and the free space', error);
}

/** The same, to be thrown where a promise is broken. */
export function throwCannotWrite(name: string): (error: unknown) => never {
  return (error) => {
    throw cannotWrite(name, error);
  };
}
