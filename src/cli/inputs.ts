import { opendir, stat } from 'node:fs/promises';
import picomatch from 'picomatch';

/** The extensions that a walk takes; an image that is named is always tried, whatever it is called. */
const IMAGE = /\.(jpe?g|png|webp|gif|tiff?|avif)$/iu;

/** Told about what does not become a row. */
export interface WalkReport {
  readonly onPassedOver?: (path: string) => unknown;
  readonly onNothing?: (argument: string) => unknown;
}

/** A folder to walk ('' is the one that we are in), and which of its files count. */
interface Walk {
  readonly folder: string;
  readonly depth: number;
  readonly takes: (path: string) => boolean;
  readonly onPassedOver?: ((path: string) => unknown) | undefined;
}

/**
 * The images that the arguments stand for, in their order: a file as it is, a folder walked recursively in byte order,
 * a glob that is no file's name expanded. What does not exist is passed on, to become an error row.
 */
export async function* imagePaths(args: readonly string[], report: WalkReport = {}): AsyncGenerator<string> {
  for (const arg of args) {
    let found = false;
    for await (const path of expand(arg, report)) {
      found = true;
      yield path;
    }
    if (!found) report.onNothing?.(arg);
  }
}

/** The first images, at most so many, and all of them. */
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

/** How many images the arguments stand for. */
export async function countImages(args: readonly string[]): Promise<number> {
  let count = 0;
  for await (const _ of imagePaths(args)) count++;
  return count;
}

async function* expand(arg: string, { onPassedOver }: WalkReport): AsyncGenerator<string> {
  const info = await stat(arg).catch(() => undefined);
  const pattern = arg.replace(/\/{2,}/gu, '/');
  const glob = picomatch.scan(pattern);
  if (info?.isDirectory()) {
    yield* walk({ folder: arg, depth: Number.POSITIVE_INFINITY, takes: (path) => IMAGE.test(path), onPassedOver });
  } else if (info === undefined && glob.isGlob && /[*?[{]/u.test(arg)) {
    const depth = glob.glob.includes('**') ? Number.POSITIVE_INFINITY : glob.glob.split('/').length;
    const matches = picomatch(pattern);
    yield* walk({ folder: glob.prefix + glob.base, depth, takes: (path) => matches(path.replace(/^\.\//u, '')) });
  } else {
    yield arg;
  }
}

/** Lazily, one folder in memory at a time; hidden files and symbolic links are skipped. */
async function* walk({ folder, depth, takes, onPassedOver }: Walk): AsyncGenerator<string> {
  const entries: { name: string; folder: boolean }[] = [];
  try {
    for await (const entry of await opendir(folder || '.')) {
      const path = within(folder, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory())
        entries.push({ name: `${entry.name}/`, folder: true }); // sorts as its paths do
      else if (entry.isFile() && takes(path)) entries.push({ name: entry.name, folder: false });
      else onPassedOver?.(path);
    }
  } catch {
    yield folder; // a folder that cannot be opened becomes an error row
    return;
  }
  for (const entry of entries.sort((a, b) => byBytes(a.name, b.name))) {
    const path = within(folder, entry.name.replace(/\/$/u, ''));
    if (!entry.folder) yield path;
    else if (depth > 1) yield* walk({ folder: path, depth: depth - 1, takes, onPassedOver });
  }
}

/** The path as the user would write it: `..` and `./` stay, for after a link they mean something else. */
function within(folder: string, name: string): string {
  return folder === '' || folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** UTF-8 bytes and code points order alike; JavaScript's own order, by UTF-16 units, differs above U+FFFF. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
