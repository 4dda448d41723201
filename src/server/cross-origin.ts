import type { IncomingMessage } from 'node:http';
import { UsageError } from '../errors.ts';
import type { Answer } from './context.ts';

/** Seconds that a browser remembers the answer to a preflight. */
const REMEMBERED = 600;

/** Origins of pages that may ask, as browsers write them. @throws UsageError */
export function checkOrigins(given: readonly string[]): readonly string[] {
  return given.map((one) => {
    const url = URL.canParse(one) ? new URL(one) : undefined;
    if (url !== undefined && /^https?:$/u.test(url.protocol) && /^[^/]+:\/\/[^/]+\/?$/u.test(one)) return url.origin;
    throw new UsageError(`--allow-origin ${one} is not an origin`, 'write it as https://photos.example');
  });
}

/** Answers the question that a browser asks before a page of another origin sends its request. */
export function preflight({ headers }: IncomingMessage): Answer {
  const isPrivate = headers['access-control-request-private-network'] === 'true';
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': String(REMEMBERED),
      ...(isPrivate && { 'access-control-allow-private-network': 'true' }),
    },
  };
}

/** The headers that let a page of a listed origin read an answer. */
export function sharingHeaders(origin: string): Readonly<Record<string, string>> {
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'retry-after', vary: 'origin' };
}
