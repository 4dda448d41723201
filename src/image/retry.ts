/** Status codes after which a request is sent again: too many requests, unavailable (RFC 6585, RFC 9110). */
const BUSY: ReadonlySet<number> = new Set([429, 503]);
const TRIES = 4;
const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 1_000;

/**
 * The wait before the next request: the value of Retry-After, in seconds or as a date; without it 1, 2, 4 s.
 *
 * @param tries the number of requests so far
 * @returns milliseconds, or undefined if there is no further request
 */
export function waitBefore(status: number, retryAfter: string | null, tries: number): number | undefined {
  if (!BUSY.has(status) || tries >= TRIES) return undefined;
  const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
  const date = retryAfter === null ? Number.NaN : Date.parse(retryAfter) - Date.now();
  const asked = Number.isFinite(seconds)
    ? seconds * 1_000
    : Number.isFinite(date)
      ? date
      : FIRST_WAIT_MS * 2 ** (tries - 1);
  return asked <= LONGEST_WAIT_MS ? Math.max(0, asked) : undefined;
}
