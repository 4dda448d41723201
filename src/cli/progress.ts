import type { Io } from './io.ts';
import type { Outcome } from './run-report.ts';

/** The progress line on a terminal: images done, speed and time left. */
export interface Progress {
  /** One more image is done. */
  step(outcome: Outcome): void;
  /** Whether {@link total} will be shown. Counting would search all folders once more. */
  readonly wantsTotal: boolean;
  /** The number of images, once it is known. */
  total(count: number | undefined): void;
  /** Removes the line before a row is written to the same terminal. */
  makeRoom(): void;
  /** Removes the line at the end. */
  end(): void;
}

const CLEAR_LINE = '\r\x1b[2K';
const REDRAW_MS = 100;

/**
 * @param after number of images (one batch) before the line appears, so that a short run has none
 * @param shared whether rows are written to the same terminal
 */
export function createProgress(
  { stderr: stream, env, log, report }: Pick<Io, 'stderr' | 'env' | 'log' | 'report'>,
  quiet: boolean,
  after: number,
  shared: boolean,
): Progress {
  const count = (outcome: Outcome) => report?.count(outcome);
  if (quiet || log !== undefined || stream.isTTY !== true || env['TERM'] === 'dumb')
    return { step: count, wantsTotal: false, total() {}, makeRoom() {}, end() {} };
  const start = performance.now();
  let done = 0;
  let total: number | undefined;
  let drawn = false;
  let last = 0;
  const clear = () => {
    if (drawn) stream.write(CLEAR_LINE);
    drawn = false;
  };
  return {
    step(outcome) {
      count(outcome);
      done++;
      const now = performance.now();
      if (done <= after || now - last < REDRAW_MS) return;
      last = now;
      drawn = true;
      const line = progressLine(done, total, (now - start) / 1000);
      stream.write(CLEAR_LINE + line.slice(0, (stream.columns ?? 80) - 1));
    },
    wantsTotal: true,
    total(count) {
      total = count;
    },
    makeRoom() {
      if (shared) clear();
    },
    end: clear,
  };
}

/** The same items. Each counts as a step. */
export async function* withProgress<T extends Outcome>(items: AsyncIterable<T>, progress: Progress): AsyncGenerator<T> {
  try {
    for await (const item of items) {
      yield item;
      progress.step(item);
    }
  } finally {
    progress.end();
  }
}

/** `1200/5000 images, 31.2/s, 2:02 left` */
export function progressLine(done: number, total: number | undefined, seconds: number): string {
  const rate = done / seconds;
  const of = total === undefined ? '' : `/${total}`;
  const left = total === undefined ? '' : `, ${clock((total - done) / rate)} left`;
  return `${done}${of} images, ${rate.toFixed(1)}/s${left}`;
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}
