import type { Readable, Writable } from 'node:stream';
import type { JsonLog } from '../output/json.ts';
import type { RunReport } from './run-report.ts';

/** The streams, environment and signals of the program. `bin` passes those of the process, and tests pass their own. */
export interface Io {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Opens standard input. It is not opened unless it is read. */
  stdin(): Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT, SIGTERM or SIGHUP. Its reason is the exit code: 128 plus the number of the signal. */
  readonly interruption: AbortSignal;
  /** Called by a command that ends by itself after an interruption, with its own exit code. */
  readonly endsItself?: () => void;
  /** Files may be on a disk that does not answer, so every read must be abortable. @default false */
  readonly isWary?: boolean;
  /** How many listening sockets the process was started with, as file descriptors from 3 on. @default 0 */
  readonly inheritedSockets?: number;
  /** Gets every line for standard error. Absent without `--log json`. */
  readonly log?: JsonLog;
  /** Counts results and errors. */
  readonly report?: RunReport;
}

/** The user or the system ends the program. Rows in progress are completed first. */
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

/** Waits for the work. An interruption is thrown at once. */
export function unlessInterrupted<T>(work: Promise<T>, { interruption }: Pick<Io, 'interruption'>): Promise<T> {
  return new Promise((done, failed) => {
    const stop = () => failed(new Interruption(interruption));
    if (interruption.aborted) stop();
    interruption.addEventListener('abort', stop, { once: true });
    work.then(done, failed).finally(() => interruption.removeEventListener('abort', stop));
  });
}

/** Colours are used on a terminal that supports them, unless NO_COLOR is set (no-color.org). */
export function wantsColor(stream: Terminal, env: Io['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
