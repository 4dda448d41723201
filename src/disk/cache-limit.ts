import { env as processEnv } from 'node:process';
import { UsageError } from '../errors.ts';
import type { Env } from './environment.ts';
import { formatSize, parseSize } from './size.ts';

/** The variable with the limit of the cached embeddings. */
export const LIMIT_VARIABLE = 'CLIP_CLASSIFY_CACHE_SIZE';
/** The variable with the limit of the converted weights and optimised graphs. */
export const WEIGHTS_LIMIT_VARIABLE = 'CLIP_CLASSIFY_WEIGHTS_SIZE';
const DEFAULT_BYTES = 2_000_000_000;
/** A large model (ViT-L/14) takes 0.9 GB as fp16 and 0.5 GB as int8. */
const DEFAULT_WEIGHTS_BYTES = 10_000_000_000;

/**
 * The most bytes of cached embeddings: `CLIP_CLASSIFY_CACHE_SIZE`, else 2 GB; Infinity for `none`.
 *
 * @throws UsageError if the variable is not a size
 */
export function cacheLimit(env?: Env): number {
  return limitIn(LIMIT_VARIABLE, DEFAULT_BYTES, env);
}

/**
 * The most bytes of converted weights and optimised graphs: `CLIP_CLASSIFY_WEIGHTS_SIZE`, else 10 GB; Infinity for `none`.
 *
 * @throws UsageError if the variable is not a size
 */
export function weightsLimit(env?: Env): number {
  return limitIn(WEIGHTS_LIMIT_VARIABLE, DEFAULT_WEIGHTS_BYTES, env);
}

function limitIn(variable: string, byDefault: number, env: Env = processEnv): number {
  const text = env[variable]?.trim() || String(byDefault);
  if (text.toLowerCase() === 'none') return Number.POSITIVE_INFINITY;
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${variable} is "${text}"`, 'set it to a size such as 500MB or 10GB, or to none');
}

/** `at most 2.0 GB`, or `no limit`. */
export function formatLimit(bytes: number): string {
  return bytes === Number.POSITIVE_INFINITY ? 'no limit' : `at most ${formatSize(bytes)}`;
}
