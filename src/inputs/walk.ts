import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { isSystemFolder, type Reason } from './left-out.ts';
import { openable, type Path, pathOfBytes, sortByBytes, within } from './path.ts';

/** Which files of a folder count. */
export interface Walk {
  /** Files and folders whose names begin with a dot are taken too. @default false */
  readonly hidden?: boolean | undefined;
  /** Symbolic links are followed; no folder is entered twice. @default false: they are skipped */
  readonly follow?: boolean | undefined;
  /** Links to files are taken, whether others are followed or not. @default false */
  readonly linkedFiles?: boolean;
  /** Levels of folders, this one included. @default all */
  readonly depth?: number;
  readonly takes: (path: Path) => boolean;
  /** Files and folders that do not count, whatever they hold. */
  readonly excludes?: ((path: Path) => boolean) | undefined;
  /** Of the files of a folder that are taken, those that say nothing new. */
  readonly spare?: (names: readonly string[]) => ReadonlySet<string>;
  /** Folders of thumbnails and deleted pictures are entered too. @default false */
  readonly systemFolders?: boolean;
  readonly onPassedOver?: ((path: Path, reason: Reason) => unknown) | undefined;
  /** Told about a folder that is not entered, for it was before, under another path. */
  readonly onLoop?: ((path: Path, before: Path) => unknown) | undefined;
}

/**
 * The files below a folder, in byte order of their paths. One folder is read at a time and closed before the next; only the
 * names of those on the way down are kept. What cannot be read is yielded too, to become an error row.
 *
 * @param root '' is the folder that we are in
 */
export async function* walk(root: Path, options: Walk): AsyncGenerator<Path> {
  const { depth = Number.POSITIVE_INFINITY, follow, onLoop } = options;
  const entered = new Map<string, Path>();
  const isNew = async (folder: Path) => {
    if (!follow) return true; // without links there is one way to each folder
    const info = await stat(openable(folder || '.'), { bigint: true }).catch(() => undefined);
    if (info === undefined) return true; // the walk will tell
    const key = `${info.dev}:${info.ino}`;
    const before = entered.get(key);
    if (before === undefined) entered.set(key, folder);
    else onLoop?.(folder, before);
    return before === undefined;
  };
  const enter = async (folder: Path) => ({ folder, next: (await entriesOf(folder, options))[Symbol.iterator]() });
  await isNew(root);
  const way = [];
  try {
    way.push(await enter(root));
  } catch {
    yield root;
  }
  for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
    const { value: name, done } = here.next.next();
    if (done) way.pop();
    else if (!name.endsWith('/')) yield within(here.folder, name);
    else if (way.length < depth) {
      const folder = within(here.folder, name.slice(0, -1));
      if (!(await isNew(folder))) continue;
      try {
        way.push(await enter(folder));
      } catch {
        yield folder;
      }
    }
  }
}

/** What counts in a folder, in byte order of the paths that it leads to: folders end in a slash, and sort with it. */
async function entriesOf(folder: Path, walk: Walk): Promise<string[]> {
  const { hidden, follow, linkedFiles, takes, excludes, systemFolders, spare, onPassedOver } = walk;
  const taken: string[] = [];
  for (const entry of await read(folder)) {
    const { name } = entry;
    if (!hidden && name.startsWith('.')) continue;
    const path = within(folder, name);
    if (excludes?.(path)) {
      onPassedOver?.(path, 'excluded');
      continue;
    }
    const isLink = entry.isSymbolicLink();
    const kind = isLink && (follow || linkedFiles) ? await kindBehind(path) : kindOf(entry);
    if (kind === 'folder' && (follow || !isLink)) {
      if (systemFolders || !isSystemFolder(name)) taken.push(`${name}/`);
      else onPassedOver?.(path, 'system folder');
    } else if (kind === 'file' && takes(path)) taken.push(name);
    else onPassedOver?.(path, isLink ? 'link' : kind === 'other' ? 'device' : 'name');
  }
  const spared = spare?.(taken);
  for (const name of spared ?? []) onPassedOver?.(within(folder, name), 'pair');
  return sortByBytes(spared?.size ? taken.filter((name) => !spared.has(name)) : taken);
}

/** Names that are no valid UTF-8 show as U+FFFD: only such a folder is read again, as bytes. */
async function read(folder: Path): Promise<Entry[]> {
  const path = openable(folder || '.');
  const entries = await readdir(path, { withFileTypes: true });
  if (!entries.some(({ name }) => name.includes('\uFFFD'))) return entries;
  const inBytes = await readdir(path, { withFileTypes: true, encoding: 'buffer' });
  return inBytes.map((entry) => Object.assign(entry, { name: pathOfBytes(entry.name) }));
}

type Entry = Pick<Dirent, 'name' | 'isFile' | 'isDirectory' | 'isSymbolicLink'>;
type Kind = 'file' | 'folder' | 'other';

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory'>): Kind {
  return entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other';
}

/** A link that leads nowhere counts as a file, to become an error row where it has an image's name. */
async function kindBehind(link: Path): Promise<Kind> {
  const info = await stat(openable(link)).catch(() => undefined);
  return info === undefined ? 'file' : kindOf(info);
}
