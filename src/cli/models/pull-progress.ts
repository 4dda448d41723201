import type { PullProgress } from '../../hub/fetch-files.ts';
import type { Trouble } from '../../hub/retry.ts';
import type { Io, Terminal } from '../io.ts';
import { say } from '../messages.ts';
import { megabytes } from './print.ts';

const CLEAR_LINE = '\r\x1b[2K';
const REDRAW_MS = 100;
/** Milliseconds before the time left is shown, because the first bytes say little about the speed. */
const ESTIMATE_AFTER_MS = 2000;

/** The progress line of a download: file, percentage, speed and time left, or why nothing arrives. */
export function createProgress(io: Pick<Io, 'stderr' | 'env'>, quiet: boolean) {
  const stream: Terminal = io.stderr;
  const seen = !quiet && stream.isTTY === true;
  const start = performance.now();
  let [last, first, drawn] = [0, Number.NaN, false];
  let now: PullProgress | undefined;
  const draw = (line: string) => {
    drawn = true;
    stream.write(`${CLEAR_LINE}${line.slice(0, (stream.columns ?? 80) - 1)}`);
  };
  const clear = () => {
    if (drawn) stream.write(CLEAR_LINE);
  };
  return {
    show(progress: PullProgress): void {
      const { file, done, total } = progress;
      now = progress;
      if (Number.isNaN(first)) first = done; // bytes of an earlier download do not count for the speed
      const time = performance.now();
      if (!seen || time - last < REDRAW_MS) return;
      last = time;
      const rate = (done - first) / ((time - start) / 1000);
      const left = rate > 0 && time - start > ESTIMATE_AFTER_MS ? `, ${duration((total - done) / rate)} left` : '';
      draw(`${file} ${(done / 1e6).toFixed(1)}/${megabytes(total)}, ${megabytes(rate)}/s${left}`);
    },
    trouble(trouble: Trouble): void {
      if (quiet) return;
      if (trouble.kind === 'retry') {
        clear();
        const { fact, waitMs, next, tries } = trouble;
        say(io, 'note', `${fact}; try ${next} of ${tries} in ${duration(waitMs / 1000)}`);
      } else if (seen) {
        const what = now === undefined ? 'the Hub' : `${now.file} ${megabytes(now.done)}`;
        draw(`${what}: no data for ${duration(trouble.ms / 1000)} (Ctrl-C is safe: the next pull continues here)`);
      }
    },
    clear,
  };
}

/** 75 → 1:15 min, 9 → 9 s. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`;
}
