import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.ts';

/** Everything that the rows of a run depend on, except the images. Plain JSON. `version` is the version of this package. */
export type RunSettings = Readonly<Record<string, unknown>>;

/**
 * Compares the settings of two runs on one output.
 *
 * @param before the settings in the file
 * @param onWarning called if another version wrote the output, because its rows may differ a little
 * @throws UsageError if they differ
 */
export function requireSame(
  path: string,
  before: unknown,
  now: RunSettings,
  onWarning: ((message: string) => void) | undefined,
): void {
  const { version: old, ...a } = Object(before) as Record<string, unknown>;
  const { version, ...b } = Object(JSON.parse(JSON.stringify(now))) as Record<string, unknown>;
  const other = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (key) => !isDeepStrictEqual(a[key], b[key]),
  );
  if (other.length > 0)
    throw new UsageError(
      `${path} was written with different ${other.join(', ')}`,
      'use the same options, remove --resume to start again, or use another file',
    );
  if (old === version) return;
  const writer = typeof old === 'string' ? `version ${old}` : 'an earlier version';
  onWarning?.(
    `${path} was begun by ${writer} of clip-classify, this is ${String(version)}: scores may differ slightly`,
  );
}
