import { env as processEnv } from 'node:process';
import { UsageError } from '../errors.ts';
import type { Env } from './environment.ts';
import { parseSize } from './size.ts';

/** The variable with the limit of the cached embeddings. */
export const LIMIT_VARIABLE = 'CLIP_CLASSIFY_CACHE_SIZE';
const DEFAULT_BYTES = 2_000_000_000;

/**
 * The most bytes of cached embeddings: `CLIP_CLASSIFY_CACHE_SIZE`, else 2 GB; Infinity for `none`.
 *
 * @throws UsageError if the variable is not a size
 */
export function cacheLimit(env: Env = processEnv): number {
  const text = env[LIMIT_VARIABLE]?.trim() || String(DEFAULT_BYTES);
  if (text.toLowerCase() === 'none') return Number.POSITIVE_INFINITY;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${LIMIT_VARIABLE} is "${text}"`, 'set it to a size such as 500MB or 10GB, or to none');
}
