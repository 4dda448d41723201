import { refusedThreads } from '../disk/machine.ts';

/** The time limits of a worker process. */
export interface TimeLimits {
  /** Seconds without any progress after which a process counts as stuck. */
  readonly timeout: number;
  /** Bytes of the weights. */
  readonly weightBytes: number;
  /** Minimum time limit of the first batch, in seconds, because an unknown graph may still be opening. @default 0 */
  readonly first?: number;
}

const TICK_MS = 250;
/** A tick that is so late means that the machine was asleep, not that the process is stuck. */
const SLEPT_MS = 5_000;
/** Minimum time limit for opening a model, also with a shorter timeout for images. */
const OPENING_SECONDS = 30;
/** Time limit for opening a model if the process did not get a thread, because it may wait for this thread for ever. */
const THREADLESS_SECONDS = 5;
/** A batch may take this many times the median. */
const SLOWEST = 10;
/** Before the first batch, the limit is a second for this many bytes of weights: opening and a first batch on a slow machine. */
const FIRST_BYTES_PER_SECOND = 10_000_000;
const REMEMBERED = 31;

/**
 * Notices a process that makes no progress. The limit is the larger of the timeout and ten times the median batch, so that a slow,
 * large model does not count as stuck.
 */
export class Watchdog {
  private readonly batches: number[] = [];
  private last = performance.now();
  private lastTick = performance.now();
  private refused = refusedThreads();
  private readonly timer: NodeJS.Timeout;

  /**
   * @param state what the process is doing
   * @param onStuck called with the seconds that have passed
   */
  constructor(
    private readonly limits: TimeLimits,
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

  /** The seconds without progress that are allowed now. */
  get limit(): number {
    const { timeout, weightBytes, first = 0 } = this.limits;
    if (this.batches.length === 0) return Math.max(timeout, first, weightBytes / FIRST_BYTES_PER_SECOND);
    const median = this.batches.toSorted((a, b) => a - b)[this.batches.length >> 1] as number;
    return Math.max(timeout, SLOWEST * median);
  }

  /** Called when a process was started in place of one that ended. */
  started(): void {
    this.refused = refusedThreads();
    this.progress();
  }

  /** Called at every sign of progress. */
  progress(): void {
    this.last = performance.now();
  }

  /** Whether the limit of processes and threads has refused one since the process was started. */
  lacksThreads(): boolean {
    return refusedThreads() > this.refused;
  }

  /** Called when a batch is done. */
  batchTook(seconds: number): void {
    this.batches.push(seconds);
    if (this.batches.length > REMEMBERED) this.batches.shift();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
