import type { PullProgress } from '../../hub/fetch-files.ts';
import type { Terminal } from '../io.ts';

const CLEAR_LINE = '\r\x1b[2K';
const REDRAW_MS = 100;

/** A line on a terminal's standard error: which file, how much of all, how fast. */
export function createProgress(stream: Terminal, quiet: boolean) {
  const seen = !quiet && stream.isTTY === true;
  const start = performance.now();
  let [last, first, drawn] = [0, Number.NaN, false];
  return {
    show({ file, done, total }: PullProgress): void {
      if (Number.isNaN(first)) first = done; // what was there before does not count as speed
      const now = performance.now();
      if (!seen || now - last < REDRAW_MS) return;
      [last, drawn] = [now, true];
      const rate = (done - first) / 1e6 / ((now - start) / 1000);
      const line = `${file} ${(done / 1e6).toFixed(1)}/${(total / 1e6).toFixed(1)} MB, ${rate.toFixed(1)} MB/s`;
      stream.write(`${CLEAR_LINE}${line.slice(0, (stream.columns ?? 80) - 1)}`);
    },
    clear(): void {
      if (drawn) stream.write(CLEAR_LINE);
    },
  };
}
