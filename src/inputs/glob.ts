import braces from 'braces';
import fillRange from 'fill-range';
import picomatch from 'picomatch';
import { UsageError } from '../errors.ts';
import type { Path } from './path.ts';
import { type Walk, walk } from './walk.ts';

/** Whether an argument is a pattern. Only for arguments that are not the name of a file. */
export function isGlob(argument: string): boolean {
  return /[*?[{]/u.test(argument) && picomatch.scan(argument).isGlob;
}

/** The most names of one pattern, so that they fit into memory. */
const MAX_NAMES = 1_000_000;

/**
 * The names that a shell makes of a pattern with braces, whether the files exist or not.
 *
 * @returns undefined if the pattern also has wildcards, so only the files can tell its names
 * @throws UsageError if there are too many names
 */
export function namesOf(argument: string): readonly string[] | undefined {
  try {
    const names = braces(argument, { expand: true, rangeLimit: MAX_NAMES });
    return names.some(isGlob) ? undefined : names;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`the range in ${argument} is too long`, 'use a pattern with *, or --files-from');
  }
}

/** The files that match a pattern, with any extension, in byte order. Hidden files match only a pattern with the dot. */
export function expandGlob(
  argument: Path,
  options: Pick<Walk, 'hidden' | 'follow' | 'onLoop' | 'excludes'>,
): AsyncGenerator<Path> {
  const pattern = argument.replace(/\/{2,}/gu, '/');
  const { glob, prefix, base } = picomatch.scan(pattern);
  const matches = picomatch(pattern, { dot: options.hidden === true, expandRange });
  return walk(prefix + base, {
    ...options,
    systemFolders: true,
    linkedFiles: true, // a named image always gets a row
    hidden: options.hidden === true || /(^|[/{,(])\./u.test(glob),
    depth: glob.includes('**') ? Number.POSITIVE_INFINITY : glob.split('/').length,
    takes: (path) => matches(path.replace(/^\.\//u, '')),
  });
}

/**
 * Makes a test for excluded paths. A glob without a slash is compared with the name. A glob with a slash is compared with the shown path and
 * with the path relative to the searched folder.
 *
 * @returns undefined if there is no glob
 */
export function excluding(globs: readonly string[], root: Path): ((path: Path) => boolean) | undefined {
  if (globs.length === 0) return undefined;
  const matchers = globs.map((glob) => {
    const pattern = glob.replace(/\/+$/u, '').replace(/^\.\//u, '');
    return { matches: picomatch(pattern, { dot: true, expandRange }), byName: !pattern.includes('/') };
  });
  const start = root === '' || root.endsWith('/') ? root : `${root}/`;
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const below = path.startsWith(start) ? path.slice(start.length) : path;
    return matchers.some(({ matches, byName }) =>
      byName ? matches(name) : matches(below) || matches(path.replace(/^\.\//u, '')),
    );
  };
}

/** `strictZeros` goes on to to-regex-range: 7 is not 007. */
const AS_REGEX = { toRegex: true, strictZeros: true } as const;

/**
 * The regular expression of a range in braces, with the meaning that it has in bash: `{1..12}`, `{00000..00099}`, `{0..100..10}`, `{a..c}`.
 * On its own, picomatch takes `{0..12}` for one character.
 */
function expandRange(first: string, last: string, ...rest: readonly unknown[]): string {
  const step = typeof rest[0] === 'string' ? Number(rest[0]) : 1; // the last argument is picomatch's options
  return `(?:${fillRange(first, last, step, AS_REGEX)})`;
}
