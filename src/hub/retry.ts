import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { type ClipError, HubError } from '../errors.ts';

/** How long and how often to wait for the Hub; all times in milliseconds. */
export interface RetryPolicy {
  /** The most requests for one thing, including the first. */
  readonly tries: number;
  /** The wait before the second try; it is doubled before each further try. */
  readonly backoffMs: number;
  /** The longest wait that the Hub may ask for. */
  readonly longestWaitMs: number;
  /** A connection without a byte for this long is closed. */
  readonly stallMs: number;
  /** Fewer bytes per second during {@link stallMs} also count as a stall. */
  readonly leastBytesPerSecond: number;
  /** After this long without a byte, the user is told. */
  readonly noticeMs: number;
}

export const RETRY_POLICY: RetryPolicy = {
  tries: 5,
  backoffMs: 1000,
  longestWaitMs: 60_000,
  stallMs: 30_000,
  leastBytesPerSecond: 1024,
  noticeMs: 5_000,
};

/** Why no bytes arrive. */
export type Trouble =
  | { readonly kind: 'silence'; readonly ms: number }
  | {
      readonly kind: 'retry';
      readonly fact: string;
      readonly waitMs: number;
      readonly next: number;
      readonly tries: number;
    };

/** The time limits of requests, and who is told about delays. */
export interface Waiting {
  readonly retryPolicy: RetryPolicy;
  readonly onTrouble?: ((trouble: Trouble) => void) | undefined;
}

/** A failure that a new try may not have. */
export class Transient extends Error {
  constructor(
    /** The error to throw after the last try. */
    readonly lasting: ClipError,
    readonly waitMs?: number,
  ) {
    super(lasting.message);
  }
}

/** No byte came in time. */
class Stall extends Transient {
  constructor(
    lasting: ClipError,
    /** Bytes that this attempt received. */
    readonly received: number,
  ) {
    super(lasting);
  }
}

/**
 * Tries again after each {@link Transient}, with longer waits. Other errors are thrown at once. A second stall without a byte in between
 * is also thrown, because a third try would only take longer.
 */
export async function retry<T>({ retryPolicy, onTrouble }: Waiting, attempt: () => Promise<T>): Promise<T> {
  const { tries, backoffMs } = retryPolicy;
  let silent = false;
  let last = 1;
  try {
    return await pRetry(
      async (n) => {
        last = n;
        return attempt();
      },
      {
        retries: tries - 1,
        minTimeout: 0, // a wait that the server asks for is not a multiple of anything
        async shouldRetry({ error, attemptNumber }) {
          if (!(error instanceof Transient)) return false;
          const stalled = error instanceof Stall && error.received === 0;
          if (stalled && silent) return false;
          silent = error instanceof Stall;
          const { lasting, waitMs = backoffMs * 2 ** (attemptNumber - 1) } = error;
          onTrouble?.({ kind: 'retry', fact: lasting.fact, waitMs, next: attemptNumber + 1, tries });
          await sleep(waitMs);
          return true;
        },
      },
    );
  } catch (error) {
    if (!(error instanceof Transient)) throw error;
    const { lasting } = error;
    if (!(lasting instanceof HubError)) throw lasting;
    throw new HubError(`${lasting.fact} (${last} tries)`, lasting.nextStep, lasting);
  }
}

/** Aborts a request that receives too few bytes. `work` reports each chunk. */
export async function untilStall<T>(
  { retryPolicy, onTrouble }: Waiting,
  stalled: () => ClipError,
  work: (signal: AbortSignal, received: (bytes: number) => void) => Promise<T>,
): Promise<T> {
  const { stallMs, leastBytesPerSecond, noticeMs } = retryPolicy;
  const cut = new AbortController();
  let silentSince = performance.now();
  let [windowStart, windowBytes, total] = [silentSince, 0, 0];
  const timer = setInterval(
    () => {
      const now = performance.now();
      const slow = now - windowStart >= stallMs && windowBytes < (leastBytesPerSecond * stallMs) / 1000;
      if (slow || now - silentSince >= stallMs) cut.abort(new Stall(stalled(), total));
      else if (now - silentSince >= noticeMs) onTrouble?.({ kind: 'silence', ms: now - silentSince });
      if (now - windowStart >= stallMs) [windowStart, windowBytes] = [now, 0];
    },
    Math.min(stallMs / 20, 1000),
  );
  try {
    return await work(cut.signal, (bytes) => {
      silentSince = performance.now();
      windowBytes += bytes;
      total += bytes;
    });
  } catch (error) {
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    clearInterval(timer);
  }
}
