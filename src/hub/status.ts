import { type ClipError, HubError } from '../errors.ts';
import { Transient } from './retry.ts';

/** There is no such repository, or none that this user may see; another one may do. */
export class MissingRepository extends HubError {}

/** Status codes that a later try may change. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * What a status other than success means.
 *
 * @param what was asked for, such as `openai/clip-vit-base-patch32`
 * @param longestWaitMs the longest `Retry-After` to wait for, in milliseconds
 */
export function statusError(
  { status, headers }: Response,
  what: string,
  hasToken: boolean,
  longestWaitMs: number,
): ClipError | Transient {
  if (PASSING.has(status)) return passing(status, headers, what, longestWaitMs);
  switch (status) {
    case 401:
      return hasToken
        ? new HubError(`the Hub rejects the token for ${what} (401)`, 'set HF_TOKEN to a valid token, or unset it')
        : new MissingRepository(
            `the Hub does not show ${what} without a token (401)`,
            'check the name; for a private or gated repository set HF_TOKEN',
          );
    case 403:
      return new HubError(
        `the Hub refuses access to ${what} (403)`,
        "accept the repository's terms on its page, then set HF_TOKEN to a token with read access",
      );
    case 404:
      return new MissingRepository(
        `the Hub has no ${what} (404${reason(headers)})`,
        'check the name and the revision; clip-classify models list shows known models',
      );
    default:
      return new HubError(`the Hub answers ${status} for ${what}${reason(headers)}`, 'check HF_ENDPOINT and the proxy');
  }
}

function passing(status: number, headers: Headers, what: string, longestWaitMs: number): ClipError | Transient {
  const waitMs = retryAfterMs(headers.get('retry-after'));
  const error = new HubError(
    `the Hub answers ${status} for ${what}`,
    status === 429 ? 'wait a while; a token in HF_TOKEN has a higher limit' : 'try again later',
  );
  if (waitMs === undefined) return new Transient(error);
  if (waitMs <= longestWaitMs) return new Transient(error, waitMs);
  return new HubError(
    `the Hub answers ${status} for ${what}`,
    `the Hub asks to wait; pull again in ${Math.ceil(waitMs / 1000)} seconds`,
  );
}

/** `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/u.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The hub's own word for it, such as `RevisionNotFound`. */
function reason(headers: Headers): string {
  const code = headers.get('x-error-code');
  return code !== null && /^\w{1,60}$/u.test(code) ? `, ${code}` : '';
}
