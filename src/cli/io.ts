import type { Readable, Writable } from 'node:stream';
import type { JsonLog } from '../output/json-log.ts';
import type { RunReport } from './run-report.ts';

/** What the program sees of the world; `bin` gives it the real one, tests their own. */
export interface Io {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Opens standard input; it is opened only where it is read. */
  stdin(): Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT or SIGTERM; its reason is the exit code, 128 and the number of the signal. */
  readonly interruption: AbortSignal;
  /** Says that the command ends by itself after an interruption, with an exit code of its own. */
  readonly endsItself?: () => void;
  /** Files may lie on a disk that does not answer, so each read must be one that can be abandoned. @default false */
  readonly isWary?: boolean;
  /** How many listening sockets the process was started with, as file descriptors from 3 on. @default 0 */
  readonly inheritedSockets?: number;
  /** Takes every line for standard error; absent without `--log json`. */
  readonly log?: JsonLog;
  /** Counts what becomes of the images. */
  readonly report?: RunReport;
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

/** What comes first: the work, or the interruption (thrown). */
export function unlessInterrupted<T>(work: Promise<T>, { interruption }: Pick<Io, 'interruption'>): Promise<T> {
  return new Promise((done, failed) => {
    const stop = () => failed(new Interruption(interruption));
    if (interruption.aborted) stop();
    interruption.addEventListener('abort', stop, { once: true });
    work.then(done, failed).finally(() => interruption.removeEventListener('abort', stop));
  });
}

/** Colours only on a terminal that knows them, and not where NO_COLOR is set (no-color.org). */
export function wantsColor(stream: Terminal, env: Io['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
