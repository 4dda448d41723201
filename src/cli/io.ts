import { WriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { messageOf, OutputError } from '../errors.ts';

/** What the program sees of the world; `bin` gives it the real one, tests their own. */
export interface Io {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Opens standard input; it is opened only where it is read. */
  stdin(): Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT or SIGTERM; its reason is the exit code, 128 and the number of the signal. */
  readonly interruption: AbortSignal;
}

/** The user, or the machine, wants the program to end: what is written so far is made whole, and it ends. */
export class Interruption extends Error {
  override readonly name = 'Interruption';

  readonly exitCode: number;

  constructor({ reason }: AbortSignal) {
    super('interrupted');
    this.exitCode = Number(reason);
  }
}

/** A stream that may be a terminal. */
export interface Terminal extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

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
  const fact = `${name} cannot be written: ${messageOf(error)}`;
  return new OutputError(fact, 'check the path, its permissions and the free space', error);
}

/** The same, to be thrown where a promise is broken. */
export function throwCannotWrite(name: string): (error: unknown) => never {
  return (error) => {
    throw cannotWrite(name, error);
  };
}

/** What comes first: the work, or the interruption (thrown). */
export function unlessInterrupted<T>(work: Promise<T>, { interruption }: Pick<Io, 'interruption'>): Promise<T> {
  return new Promise((done, failed) => {
    const stop = () => failed(new Interruption(interruption));
    if (interruption.aborted) stop();
    interruption.addEventListener('abort', stop, { once: true });
    work.then(done, failed).finally(() => interruption.removeEventListener('abort', stop));
  });
}

/** Colours only on a terminal, and not where NO_COLOR is set (no-color.org). */
export function wantsColor(stream: Terminal, env: Io['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'];
}
