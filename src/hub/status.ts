import { type ClipError, HubError, oneLine } from '../errors.ts';
import type { HubToken } from '../network/settings.ts';
import { Transient } from './retry.ts';

/** The repository or revision does not exist, or this user may not see it. The next source may work. */
export class MissingRepository extends HubError {}

/** A server refuses access to something that exists. The next source may work. */
export class AccessRefused extends HubError {}

/** Status codes that a later try may not have. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const MAX_MESSAGE = 300;

/** An unsuccessful answer and its request. */
export interface Refusal {
  readonly response: Response;
  readonly url: URL;
  /** The requested file, such as `openai/clip-vit-base-patch32/config.json`. */
  readonly what: string;
  /** The web page of the repository. */
  readonly page: string;
  /** Whether the answer comes from the Hub or its mirror. */
  readonly isHub: boolean;
  /** The token that was sent. */
  readonly token: HubToken | undefined;
}

/**
 * The error for an unsuccessful status. The Hub's own code and message are used, because several reasons share a status.
 *
 * @param longestWaitMs the longest wait that the server may ask for, in milliseconds
 */
export function statusError(refusal: Refusal, longestWaitMs: number): ClipError | Transient {
  const { response, what, isHub, url } = refusal;
  const { status, headers } = response;
  if (PASSING.has(status)) return passing(refusal, longestWaitMs);
  const code = errorCode(headers);
  if (!isHub && code === undefined) {
    return new AccessRefused(
      `${url.host} refuses ${what} (${status})`,
      `check that a firewall or proxy lets you reach ${url.host}; the Hub keeps large files there`,
    );
  }
  const message = errorMessage(refusal);
  if (code === 'GatedRepo') return gated(refusal, message);
  if (code === 'RevisionNotFound')
    return new MissingRepository(`the Hub has no such revision: ${what} (${status})`, 'check the name after the @');
  if (status === 401 && (code === 'RepoNotFound' || refusal.token === undefined)) {
    return new MissingRepository(
      `the Hub shows no ${what} without a valid token (401)`,
      'check the name; for a private or gated repository set HF_TOKEN',
    );
  }
  if (status === 401)
    return new AccessRefused(
      `the Hub refuses the token of ${refusal.token?.from} (401${message})`,
      `correct or remove ${refusal.token?.from}`,
    );
  if (status === 403)
    return new AccessRefused(`the Hub refuses access to ${what} (403${message})`, `see ${refusal.page}`);
  if (status === 404)
    return new MissingRepository(
      `the Hub has no ${what} (404${code === undefined ? '' : `, ${code}`})`,
      'check the name and the revision; `clip-classify models list` shows known models',
    );
  return new HubError(`the Hub answers ${status} for ${what}${message}`, 'check HF_ENDPOINT and the proxy');
}

function gated({ what, page, token }: Refusal, message: string): ClipError {
  if (token === undefined)
    return new AccessRefused(
      `${what} is gated: its owner gives it only to users who accept the terms${message}`,
      `accept the terms on ${page}, then set HF_TOKEN to a token of your account`,
    );
  return new AccessRefused(
    `${what} is gated, and the token of ${token.from} has no access${message}`,
    `ask for access on ${page}`,
  );
}

function passing({ response, what, isHub, url }: Refusal, longestWaitMs: number): ClipError | Transient {
  const { status, headers } = response;
  const waitMs = askedWaitMs(headers);
  const fact = `${isHub ? 'the Hub' : url.host} answers ${status} for ${what}`;
  const error = new HubError(
    fact,
    status === 429 ? 'wait some minutes; a token in HF_TOKEN has a higher limit' : 'try again later',
  );
  if (waitMs === undefined) return new Transient(error);
  if (waitMs <= longestWaitMs) return new Transient(error, waitMs);
  return new HubError(fact, `pull again in ${Math.ceil(waitMs / 1000)} seconds: the server asks for this wait`);
}

/**
 * The Hub says when its window ends in `RateLimit: "api";r=0;t=55` (hub-docs, rate-limits), other servers in
 * `Retry-After`, a number of seconds or a date (RFC 9110, 10.2.3).
 */
function askedWaitMs(headers: Headers): number | undefined {
  const used = (headers.get('ratelimit') ?? '').split(',').filter((policy) => /;\s*r=0\b/u.test(policy));
  const seconds = used.map((policy) => Number(/;\s*t=(\d+)/u.exec(policy)?.[1])).filter(Number.isFinite);
  if (seconds.length > 0) return (Math.max(...seconds) + 1) * 1000;
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/u.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Such as `GatedRepo`. */
function errorCode(headers: Headers): string | undefined {
  return /^\w{1,60}$/u.exec(headers.get('x-error-code') ?? '')?.[0];
}

/** The message of the Hub, after a colon. A token in it is not shown. */
function errorMessage({ response, token }: Refusal): string {
  const message = oneLine(response.headers.get('x-error-message') ?? '');
  const safe = token === undefined ? message : message.replaceAll(token.value, '***');
  return safe === '' ? '' : `: ${safe.slice(0, MAX_MESSAGE)}`;
}
