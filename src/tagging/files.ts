import { randomUUID } from 'node:crypto';
import { lstat, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { openable, type Path, pathOfBytes } from '../inputs/path.ts';
import { isRaw, partsOf } from '../sorting/companions.ts';
import { addTags, EMPTY_SIDECAR, removeTags, type Tags } from './sidecar.ts';
import { decodeXmp } from './xmp.ts';

/** The planned change of a sidecar. */
export interface Change {
  readonly sidecar: Path;
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
  const { text, added } = addTags((await read(sidecar)) ?? EMPTY_SIDECAR, tags, embedded);
  return { sidecar, text, changed: added };
}

/** @throws XmpError, or errors of node:fs */
export async function planRemoval(picture: Path): Promise<Change> {
  const sidecar = await sidecarOf(picture);
  const before = await read(sidecar);
  if (before === undefined) return { sidecar, text: undefined, changed: [] };
  const { text, removed } = removeTags(before);
  return { sidecar, text, changed: removed };
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

/**
 * Writes next to the sidecar and renames, so that it is never partial. Keeps its mode. If the sidecar is a link, its target is
 * changed.
 *
 * @throws errors of node:fs
 */
export async function applyChange({ sidecar: path, text }: Change): Promise<void> {
  const isLink = await lstat(openable(path)).then(
    (info) => info.isSymbolicLink(),
    () => false,
  );
  const sidecar = isLink && text !== undefined ? pathOfBytes(await realpath(openable(path), 'buffer')) : path;
  if (text === undefined) {
    await rm(openable(sidecar));
    return;
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
    await rename(openable(temporary), openable(sidecar));
  } finally {
    await rm(openable(temporary), { force: true });
  }
}
