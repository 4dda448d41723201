import { randomUUID } from 'node:crypto';
import { lstat, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { openable, type Path, pathOfBytes } from '../inputs/path.ts';
import { isRaw, partsOf } from '../sorting/companions.ts';
import { addTags, EMPTY_SIDECAR, removeTags, type Tags } from './sidecar.ts';
import { decodeXmp } from './xmp.ts';

/** The planned change of a sidecar. */
export interface Change {
  readonly sidecar: Path;
  /** The text of the sidecar when the change was planned; undefined: there was none */
  readonly before: string | undefined;
  /** undefined: the sidecar is removed, because it contains only what this tool added */
  readonly text: string | undefined;
  readonly changed: readonly string[];
}

/**
 * The sidecar of a picture: `photo.jpg.xmp`, which darktable, digiKam and Immich read. A RAW file may have a `photo.xmp` of Lightroom
 * instead. Other pictures do not use that name, because the file may belong to the RAW file next to them.
 */
export async function sidecarOf(picture: Path): Promise<Path> {
  const { folder, stem } = partsOf(picture);
  const byStem = folder === '' ? `${stem}.xmp` : `${folder}/${stem}.xmp`;
  const byName = `${picture}.xmp`;
  return isRaw(picture) && !(await exists(byName)) && (await exists(byStem)) ? byStem : byName;
}

async function exists(path: Path): Promise<boolean> {
  return lstat(openable(path)).then(
    () => true,
    () => false,
  );
}

/** @throws XmpError, or errors of node:fs */
export async function planTags(picture: Path, tags: Tags, embedded: readonly string[]): Promise<Change> {
  const sidecar = await sidecarOf(picture);
  const before = await read(sidecar);
  const { text, added } = addTags(before ?? EMPTY_SIDECAR, tags, embedded);
  return { sidecar, before, text, changed: added };
}

/** @throws XmpError, or errors of node:fs */
export async function planRemoval(picture: Path): Promise<Change> {
  const sidecar = await sidecarOf(picture);
  const before = await read(sidecar);
  if (before === undefined) return { sidecar, before, text: undefined, changed: [] };
  const { text, removed } = removeTags(before);
  return { sidecar, before, text, changed: removed };
}

async function read(sidecar: Path): Promise<string | undefined> {
  const info = await stat(openable(sidecar)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  if (!info.isFile()) throw new TypeError('it is not a regular file');
  return decodeXmp(await readFile(openable(sidecar)));
}

/** How often a change is planned again, because another program changed the sidecar meanwhile. */
const MOST_TRIES = 5;

/**
 * Plans a change of a sidecar and carries it out. If another run or program changes the sidecar in between, the change is planned again.
 *
 * @throws XmpError, or errors of node:fs
 */
export async function changeSidecar(plan: () => Promise<Change>): Promise<Change> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const change = await plan();
    if (change.changed.length === 0 || (await applyChange(change))) return change;
  }
  throw new Error('another program keeps changing it');
}

/**
 * Writes next to the sidecar and renames, so that it is never partial. Keeps its mode. If the sidecar is a link, its target is
 * changed.
 *
 * @returns false if the sidecar is no longer as it was
 * @throws errors of node:fs
 */
async function applyChange({ sidecar: path, before, text }: Change): Promise<boolean> {
  const isLink = await lstat(openable(path)).then(
    (info) => info.isSymbolicLink(),
    () => false,
  );
  const sidecar = isLink && text !== undefined ? pathOfBytes(await realpath(openable(path), 'buffer')) : path;
  const isUnchanged = async () => (await read(sidecar)) === before;
  if (text === undefined) {
    if (!(await isUnchanged())) return false;
    await rm(openable(sidecar));
    return true;
  }
  const mode = await stat(openable(sidecar)).then(
    (info) => info.mode & 0o777,
    () => 0o644,
  );
  const temporary = `${sidecar}.${randomUUID()}.tmp`;
  try {
    const file = await open(openable(temporary), 'wx', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await isUnchanged())) return false; // as late as possible: only the rename follows
    await rename(openable(temporary), openable(sidecar));
    return true;
  } finally {
    await rm(openable(temporary), { force: true });
  }
}
