import { env as processEnv } from 'node:process';
import { UsageError } from '../errors.ts';
import type { Env } from './environment.ts';
import { parseSize } from './size.ts';

/** The variable that says how large the cached embeddings may become. */
export const LIMIT_VARIABLE = 'CLIP_CLASSIFY_CACHE_SIZE';
const DEFAULT_BYTES = 2_000_000_000;

/**
 * The most bytes of cached embeddings: `CLIP_CLASSIFY_CACHE_SIZE`, else 2 GB; `none` is no limit.
 *
 * @throws UsageError if the variable is no size
 */
export function cacheLimit(env: Env = processEnv): number {
  const text = env[LIMIT_VARIABLE]?.trim() || String(DEFAULT_BYTES);
  if (text.toLowerCase() === 'none') return Number.POSITIVE_INFINITY;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${LIMIT_VARIABLE} is "${text}"`, 'set it to a size such as 500MB or 10GB, or to none');
}
