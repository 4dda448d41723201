import { refusedThreads } from '../disk/machine.ts';

/** How much patience there is. */
export interface Patience {
  /** Seconds without any progress after which a process counts as stuck. */
  readonly timeout: number;
  /** Bytes of the weights. */
  readonly weightBytes: number;
  /** Seconds that the first batch may take at least: what an untried graph does then may have to do with opening it. @default 0 */
  readonly first?: number;
}

const TICK_MS = 250;
/** A tick that comes so late tells of a machine that slept, not of a process that is stuck. */
const SLEPT_MS = 5_000;
/** However short the timeout for images is, opening a model may take so long. */
const OPENING_SECONDS = 30;
/** A process that was refused a thread may wait for that thread for ever: then opening a model may take so long. */
const THREADLESS_SECONDS = 5;
/** How many times its usual duration a batch may take. */
const SLOWEST = 10;
/** Until a batch has been seen, a second for every so many bytes of weights: opening and a first batch, on a slow machine. */
const FIRST_BYTES_PER_SECOND = 10_000_000;
const REMEMBERED = 31;

/**
 * Notices a process that makes no progress. The limit is the larger of the timeout and ten times the median batch, so that a
 * healthy model is never taken for a stuck one, however big.
 */
export class Watchdog {
  private readonly batches: number[] = [];
  private last = performance.now();
  private lastTick = performance.now();
  private refused = refusedThreads();
  private readonly timer: NodeJS.Timeout;

  /**
   * @param state what the process is at
   * @param onStuck told the seconds that have passed
   */
  constructor(
    private readonly patience: Patience,
    state: () => 'idle' | 'opening' | 'working',
    onStuck: (seconds: number) => void,
  ) {
    this.timer = setInterval(() => {
      const now = performance.now();
      const at = state();
      if (at === 'idle' || now - this.lastTick > SLEPT_MS) this.last = now;
      this.lastTick = now;
      const seconds = (now - this.last) / 1000;
      const isThreadless = at === 'opening' && seconds > THREADLESS_SECONDS && this.lacksThreads();
      if (!isThreadless && seconds <= Math.max(this.limit, at === 'opening' ? OPENING_SECONDS : 0)) return;
      this.last = now;
      onStuck(seconds);
    }, TICK_MS).unref();
  }

  /** Seconds without progress that are still fine. */
  get limit(): number {
    const { timeout, weightBytes, first = 0 } = this.patience;
    if (this.batches.length === 0) return Math.max(timeout, first, weightBytes / FIRST_BYTES_PER_SECOND);
    const median = this.batches.toSorted((a, b) => a - b)[this.batches.length >> 1] as number;
    return Math.max(timeout, SLOWEST * median);
  }

  /** A process has been started, in place of one that ended. */
  started(): void {
    this.refused = refusedThreads();
    this.progress();
  }

  /** A sign of life. */
  progress(): void {
    this.last = performance.now();
  }

  /** Whether the limit of processes and threads has refused one since the process was started. */
  lacksThreads(): boolean {
    return refusedThreads() > this.refused;
  }

  /** A batch is done. */
  batchTook(seconds: number): void {
    this.batches.push(seconds);
    if (this.batches.length > REMEMBERED) this.batches.shift();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
