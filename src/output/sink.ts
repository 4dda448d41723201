import type { Writable } from 'node:stream';
import { cannotWrite } from '../disk/whole-file.ts';

/** The reader has closed the pipe. This is a normal end, such as with `| head`. */
export class ClosedPipe extends Error {
  override readonly name = 'ClosedPipe';
}

/** Writes text and waits until the stream has accepted it, so that memory does not grow with a slow reader. */
export class Sink {
  private failure: Error | undefined;

  /** @param isOwn whether the stream is closed at the end; standard output is left to the process */
  constructor(
    private readonly stream: Writable,
    private readonly name: string,
    private readonly isOwn = false,
  ) {
    stream.on('error', () => {}); // the callback of write reports the error
  }

  /** @throws ClosedPipe or OutputError; after a failure, always the first error */
  write(text: string | Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (text.length === 0) return Promise.resolve();
    return new Promise((done, failed) => {
      this.stream.write(text, (error) => (error ? failed(this.explain(error)) : done()));
    });
  }

  /** @throws ClosedPipe or OutputError, unless {@link write} has already thrown it */
  close(): Promise<void> {
    if (!this.isOwn || this.failure !== undefined) return Promise.resolve();
    return new Promise((done, failed) => {
      this.stream.end((error?: Error | null) => (error ? failed(this.explain(error)) : done()));
    });
  }

  /** The error for a failed write. */
  private explain(error: Error): Error {
    const isClosed = 'code' in error && error.code === 'EPIPE';
    this.failure ??= isClosed ? new ClosedPipe() : cannotWrite(this.name, error);
    return this.failure;
  }
}
