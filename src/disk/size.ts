import { env as processEnv } from 'node:process';
import { UsageError } from '../errors.ts';
import type { Env } from './environment.ts';

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** `500MB`, `2 GB`, `1.5G` or bytes without a unit; `GiB` is 2³⁰. @returns bytes; undefined if the text is not a size */
export function parseSize(text: string): number | undefined {
  const [, digits = '', prefix = '', binary] = /^(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?$/iu.exec(text.trim()) ?? [];
  const factor = FACTORS[prefix.toLowerCase()];
  if (digits === '' || factor === undefined || (binary && prefix === '')) return undefined;
  return Math.round(Number(digits) * (binary ? 1024 ** (Math.log10(factor) / 3) : factor));
}

/** 58467 → 58.5 kB; 605143284 → 605.1 MB; 2e9 → 2.0 GB. */
export function formatSize(bytes: number): string {
  const [unit, factor] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${(bytes / factor).toFixed(1)} ${unit}`;
}

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
