import { setTimeout as sleep } from 'node:timers/promises';
import { type ClipError, HubError } from '../errors.ts';

/** How long and how often the hub is waited for; all times in milliseconds. */
export interface Patience {
  /** Requests for one thing, the first included. */
  readonly tries: number;
  /** Before the second try; doubled before each further one. */
  readonly backoffMs: number;
  /** The longest `Retry-After` that is waited for. */
  readonly longestWaitMs: number;
  /** Without a byte for so long, a connection is cut. */
  readonly stallMs: number;
  /** Fewer over {@link stallMs} count as a stall: one byte a second is none too. */
  readonly leastBytesPerSecond: number;
}

export const PATIENCE: Patience = {
  tries: 5,
  backoffMs: 1000,
  longestWaitMs: 60_000,
  stallMs: 30_000,
  leastBytesPerSecond: 1024,
};

/** A failure that may be gone at the next try. */
export class Transient extends Error {
  constructor(
    /** What to throw if it is not. */
    readonly lasting: ClipError,
    readonly waitMs?: number,
  ) {
    super(lasting.message);
  }
}

/** Tries again after each {@link Transient}, later each time. Every other error passes. */
export async function retry<T>(patience: Patience, attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      const { lasting, waitMs = patience.backoffMs * 2 ** (n - 1) } = error;
      if (n >= patience.tries) throw new HubError(`${lasting.fact} (${n} tries)`, lasting.nextStep, lasting);
      await sleep(waitMs);
    }
  }
}

/** Cuts what brings too few bytes; `work` tells each chunk. */
export async function untilStall<T>(
  patience: Patience,
  stalled: () => ClipError,
  work: (signal: AbortSignal, received: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const { stallMs, leastBytesPerSecond } = patience;
  const cut = new AbortController();
  let silentSince = performance.now();
  let [windowStart, windowBytes] = [silentSince, 0];
  const timer = setInterval(() => {
    const now = performance.now();
    const slow = now - windowStart >= stallMs && windowBytes < (leastBytesPerSecond * stallMs) / 1000;
    if (slow || now - silentSince >= stallMs) cut.abort(new Transient(stalled()));
    if (now - windowStart >= stallMs) [windowStart, windowBytes] = [now, 0];
  }, stallMs / 20);
  try {
    return await work(cut.signal, (bytes) => {
      silentSince = performance.now();
      windowBytes += bytes;
    });
  } catch (error) {
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    clearInterval(timer);
  }
}
