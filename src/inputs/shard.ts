import { createHash } from 'node:crypto';
import { UsageError } from '../errors.ts';
import { bytesOfPath, type Path } from './path.ts';

/** One of n parts of the work. n machines can share it without communication. */
export interface Shard {
  /** From 1 to {@link of}. */
  readonly part: number;
  readonly of: number;
}

/** @throws UsageError if the text is not `i/n` with 1 ≤ i ≤ n */
export function parseShard(text: string): Shard {
  const [, part = 0, of = 0] = (/^(\d{1,6})\/(\d{1,6})$/u.exec(text) ?? []).map(Number);
  if (part >= 1 && part <= of) return { part, of };
  throw new UsageError(
    `${JSON.stringify(text)} is not a valid shard`,
    'use i/n with i from 1 to n, such as --shard 1/8',
  );
}

/**
 * Whether a path belongs to a part: the first 8 digits of the sha256 of its bytes, as they are given, modulo n, is i - 1.
 * In a shell: `$((0x$(printf %s "$path" | sha256sum | cut -c1-8) % n + 1))`.
 */
export function isInShard(path: Path, { part, of }: Shard): boolean {
  return createHash('sha256').update(bytesOfPath(path)).digest().readUInt32BE() % of === part - 1;
}
