import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';

/** The extensions that a walk takes; an image that is named is always tried, whatever it is called. */
const IMAGE = /\.(jpe?g|png|webp|gif|tiff?|avif)$/iu;

/** What a walk did not take. */
export interface WalkReport {
  readonly onPassedOver?: (path: string) => unknown;
  readonly onNothing?: (argument: string) => unknown;
}

/**
 * The images that the arguments stand for, in their order: a file as it is, a folder walked recursively in byte order,
 * a pattern that no file is called by expanded. What does not exist is passed on, to become an error row.
 */
export async function* imagePaths(args: readonly string[], report: WalkReport = {}): AsyncGenerator<string> {
  for (const arg of args) {
    const info = await stat(arg).catch(() => undefined);
    let found = false;
    for await (const path of info?.isDirectory() ? walk(arg, report) : info === undefined ? expand(arg) : [arg]) {
      found = true;
      yield path;
    }
    if (!found) report.onNothing?.(arg);
  }
}

/** The same images, if there is one. */
export async function peek(images: AsyncGenerator<string>): Promise<AsyncGenerator<string> | undefined> {
  const first = await images.next();
  if (first.done) return undefined;
  return (async function* () {
    yield first.value;
    yield* images;
  })();
}

/** How many images the arguments stand for. */
export async function countImages(args: readonly string[]): Promise<number> {
  let count = 0;
  for await (const _ of imagePaths(args)) count++;
  return count;
}

async function* expand(pattern: string): AsyncGenerator<string> {
  if (!isDynamicPattern(pattern)) yield pattern;
  else yield* (await glob(pattern, { expandDirectories: false, followSymbolicLinks: false })).sort(byBytes);
}

/** Hidden files and symbolic links are skipped. */
async function* walk(folder: string, report: WalkReport): AsyncGenerator<string> {
  const entries: { name: string; folder: boolean }[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory())
        entries.push({ name: `${entry.name}/`, folder: true }); // sorts as its paths do
      else if (entry.isFile() && IMAGE.test(entry.name)) entries.push({ name: entry.name, folder: false });
      else report.onPassedOver?.(join(folder, entry.name));
    }
  } catch {
    yield folder; // a folder that cannot be opened becomes an error row
    return;
  }
  for (const entry of entries.sort((a, b) => byBytes(a.name, b.name))) {
    const path = join(folder, entry.name);
    if (entry.folder) yield* walk(path, report);
    else yield path;
  }
}

/** UTF-8 bytes and code points order alike; JavaScript's own order, by UTF-16 units, differs above U+FFFF. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
