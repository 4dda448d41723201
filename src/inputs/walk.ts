import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { isSystemFolder, type Reason } from './left-out.ts';
import { openable, type Path, pathOfBytes, sortByBytes, within } from './path.ts';

/** Which files of a folder are used. */
export interface Walk {
  /** Include files and folders whose names begin with a dot. @default false */
  readonly hidden?: boolean | undefined;
  /** Follow symbolic links. No folder is searched twice. @default false: links are skipped */
  readonly follow?: boolean | undefined;
  /** Include links to files, also if other links are not followed. @default false */
  readonly linkedFiles?: boolean;
  /** Levels of folders, including this one. @default all */
  readonly depth?: number;
  readonly takes: (path: Path) => boolean;
  /** Excluded files and folders. */
  readonly excludes?: ((path: Path) => boolean) | undefined;
  /** Of the files of a folder, those that are duplicates of others. */
  readonly spare?: (names: readonly string[]) => ReadonlySet<string>;
  /** Include folders of thumbnails and deleted pictures. @default false */
  readonly systemFolders?: boolean;
  readonly onSkipped?: ((path: Path, reason: Reason) => unknown) | undefined;
  /** Called for a folder that is skipped because it was already searched under another path. */
  readonly onLoop?: ((path: Path, before: Path) => unknown) | undefined;
}

/**
 * The files in a folder and its subfolders, in byte order of their paths. One folder is read at a time and closed before the next. Only
 * the names in the current branch are in memory. A folder that cannot be read is also yielded, and becomes an error row.
 *
 * @param root '' is the working directory
 */
export async function* walk(root: Path, options: Walk): AsyncGenerator<Path> {
  const { depth = Number.POSITIVE_INFINITY, follow, onLoop } = options;
  const entered = new Map<string, Path>();
  const isNew = async (folder: Path) => {
    if (!follow) return true; // without links there is one way to each folder
    const info = await stat(openable(folder || '.'), { bigint: true }).catch(() => undefined);
    if (info === undefined) return true; // the search reports it
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

/** The files and folders in a folder, in byte order of the resulting paths: names of folders are sorted with a slash at the end. */
async function entriesOf(folder: Path, walk: Walk): Promise<string[]> {
  const { hidden, follow, linkedFiles, takes, excludes, systemFolders, spare, onSkipped } = walk;
  const taken: string[] = [];
  for (const entry of await read(folder)) {
    const { name } = entry;
    if (!hidden && name.startsWith('.')) continue;
    const path = within(folder, name);
    if (excludes?.(path)) {
      onSkipped?.(path, 'excluded');
      continue;
    }
    const isLink = entry.isSymbolicLink();
    const kind = isLink && (follow || linkedFiles) ? await kindBehind(path) : kindOf(entry);
    if (kind === 'folder' && (follow || !isLink)) {
      if (systemFolders || !isSystemFolder(name)) taken.push(`${name}/`);
      else onSkipped?.(path, 'system folder');
    } else if (kind === 'file' && takes(path)) taken.push(name);
    else onSkipped?.(path, isLink ? 'link' : kind === 'other' ? 'device' : 'name');
  }
  const spared = spare?.(taken);
  for (const name of spared ?? []) onSkipped?.(within(folder, name), 'pair');
  return sortByBytes(spared?.size ? taken.filter((name) => !spared.has(name)) : taken);
}

/** Names that are not valid UTF-8 contain U+FFFD. Only such a folder is read again, as bytes. */
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

/** A broken link counts as a file. If it has the name of an image, it becomes an error row. */
async function kindBehind(link: Path): Promise<Kind> {
  const info = await stat(openable(link)).catch(() => undefined);
  return info === undefined ? 'file' : kindOf(info);
}
