import picomatch from 'picomatch';
import type { Path } from './path.ts';
import { type Walk, walk } from './walk.ts';

/** Whether an argument that no file is called is a pattern. */
export function isGlob(argument: string): boolean {
  return /[*?[{]/u.test(argument) && picomatch.scan(argument).isGlob;
}

/** The files that a pattern matches, whatever they are called, in byte order; hidden ones only where it says the dot itself. */
export function expandGlob(
  argument: Path,
  options: Pick<Walk, 'hidden' | 'follow' | 'onLoop' | 'excludes'>,
): AsyncGenerator<Path> {
  const pattern = argument.replace(/\/{2,}/gu, '/');
  const { glob, prefix, base } = picomatch.scan(pattern);
  const matches = picomatch(pattern, { dot: options.hidden === true });
  return walk(prefix + base, {
    ...options,
    systemFolders: true,
    linkedFiles: true, // an image that is named always gets a row
    hidden: options.hidden === true || /(^|[/{,(])\./u.test(glob),
    depth: glob.includes('**') ? Number.POSITIVE_INFINITY : glob.split('/').length,
    takes: (path) => matches(path.replace(/^\.\//u, '')),
  });
}

/**
 * Which paths globs leave out: a glob without a slash is compared with the name, another one with the path, as it is shown or below the folder
 * that is searched.
 *
 * @returns undefined if there is no glob
 */
export function excluding(globs: readonly string[], root: Path): ((path: Path) => boolean) | undefined {
  if (globs.length === 0) return undefined;
  const matchers = globs.map((glob) => {
    const pattern = glob.replace(/\/+$/u, '').replace(/^\.\//u, '');
    return { matches: picomatch(pattern, { dot: true }), byName: !pattern.includes('/') };
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
