/** Answers that ask to come again: too many requests, unavailable (RFC 6585, RFC 9110). */
const BUSY: ReadonlySet<number> = new Set([429, 503]);
const TRIES = 4;
const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 1_000;

/**
 * How long to wait before an address is asked again: what Retry-After says, in seconds or as a date; without it 1, 2, 4 s.
 *
 * @param tries how often it was asked
 * @returns milliseconds, or undefined if it is not asked again
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
