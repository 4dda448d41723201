import picomatch from 'picomatch';
import type { Path } from './path.ts';
import { type Walk, walk } from './walk.ts';

/** Whether an argument that no file is called is a pattern. */
export function isGlob(argument: string): boolean {
  return /[*?[{]/u.test(argument) && picomatch.scan(argument).isGlob;
}

/** The files that a pattern matches, whatever they are called, in byte order; hidden ones only where it says the dot itself. */
export function expandGlob(argument: Path, options: Pick<Walk, 'hidden' | 'follow' | 'onLoop'>): AsyncGenerator<Path> {
  const pattern = argument.replace(/\/{2,}/gu, '/');
  const { glob, prefix, base } = picomatch.scan(pattern);
  const matches = picomatch(pattern, { dot: options.hidden === true });
  return walk(prefix + base, {
    ...options,
    linkedFiles: true, // an image that is named always gets a row
    hidden: options.hidden === true || /(^|[/{,(])\./u.test(glob),
    depth: glob.includes('**') ? Number.POSITIVE_INFINITY : glob.split('/').length,
    takes: (path) => matches(path.replace(/^\.\//u, '')),
  });
}
