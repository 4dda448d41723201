import { readFile, stat } from 'node:fs/promises';
import { type ImageOptions, imagePaths } from '../inputs/images.ts';
import { type Path, pathOfBytes } from '../inputs/path.ts';
import { STDIN } from '../inputs/stdin.ts';

export { imagePaths } from '../inputs/images.ts';

/** The first images, and an iterator over all images. */
export async function peek<T>(
  images: AsyncGenerator<T>,
  count: number,
): Promise<{ readonly first: readonly T[]; readonly all: AsyncGenerator<T> }> {
  const first: T[] = [];
  while (first.length < count) {
    const next = await images.next();
    if (next.done) break;
    first.push(next.value);
  }
  const all = (async function* () {
    yield* first;
    yield* images;
  })();
  return { first, all };
}

const SILENT: ImageOptions = { leftOut: undefined, onNothing: undefined, onLoop: undefined, onWarning: undefined };

/**
 * Counts the images. Does not read standard input, or a list that can be read only once.
 *
 * @returns undefined if the number cannot be known
 */
export async function countImages(args: readonly Path[], options: ImageOptions): Promise<number | undefined> {
  const { filesFrom, tars = [] } = options;
  if (filesFrom === STDIN || tars.length > 0) return undefined;
  if (filesFrom !== undefined && !(await stat(filesFrom)).isFile()) return undefined;
  let count = 0;
  for await (const image of imagePaths(args, { ...options, ...SILENT })) {
    if ('member' in image) return undefined; // a tar is read only once
    count++;
  }
  return count;
}

/**
 * The exact bytes of arguments. Node decodes them and loses bytes that are not valid UTF-8, but Linux still has them.
 *
 * @param args in the order of the command line; other words may be between them
 */
export async function exactPaths(args: readonly string[]): Promise<Path[]> {
  if (!args.some((arg) => arg.includes('\uFFFD'))) return [...args];
  const commandLine = await readFile('/proc/self/cmdline').catch(() => Buffer.alloc(0));
  const words = commandLine.toString('latin1').split('\0');
  let next = 0;
  return args.map((arg) => {
    if (!arg.includes('\uFFFD')) return arg;
    const at = words.findIndex((word, n) => n >= next && Buffer.from(word, 'latin1').toString() === arg);
    if (at < 0) return arg;
    next = at + 1;
    return pathOfBytes(Buffer.from(words[at] as string, 'latin1'));
  });
}
