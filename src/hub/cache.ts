import { copyFile, lstat, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { isThere, makeFolder, replaceFile } from '../disk/cache-files.ts';
import { digestFile, type FileDigests, toDigest } from '../disk/digest.ts';
import { readPlainFile } from '../disk/plain-file.ts';
import { writeWhole } from '../disk/whole-file.ts';
import type { ListedFile, Listing } from './listing.ts';
import { isCommit, isSafePath } from './names.ts';

/** A file of the cache with the right size and digest. */
export interface CachedFile {
  readonly sha256: string;
  /** Whether it is a blob, or a file in the snapshot, as in caches without links. */
  readonly kind: 'blob' | 'file';
}

/**
 * One repository in the Hub's cache, in the layout of Python's huggingface_hub (file_download.py):
 * `models--ORG--NAME/blobs/<digest>`, `snapshots/<commit>/<path> -> ../../blobs/<digest>`, `refs/<revision>`.
 * In a cache without links (Windows, HF_HUB_DISABLE_SYMLINKS) the file itself is in the snapshot.
 */
export class CachedRepo {
  readonly folder: string;
  readonly blobs: string;
  readonly locks: string;

  constructor(
    readonly cache: string,
    readonly repo: string,
  ) {
    const name = `models--${repo.replaceAll('/', '--')}`;
    this.folder = join(cache, name);
    this.blobs = join(this.folder, 'blobs');
    this.locks = join(cache, '.locks', name);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** The path of a file in a snapshot. */
  file(commit: string, path: string): string {
    return join(this.snapshot(commit), ...path.split('/'));
  }

  /** Creates the folders. */
  async create(): Promise<void> {
    for (const folder of [this.blobs, this.locks]) await makeFolder(folder, 0o777);
  }

  /** The commit of a revision at its last download by any tool. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const commit = (await readPlainFile(this.refFile(revision)).catch(() => '')).trim();
    return isCommit(commit) ? commit : undefined;
  }

  /** Records the commit of a branch or tag. */
  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    await replaceFile(this.refFile(revision), commit);
  }

  /** Finds a listed file in the cache. @returns undefined if it is missing, 'damaged' if it has other bytes */
  async look(commit: string, { path, size, digest }: ListedFile): Promise<CachedFile | 'damaged' | undefined> {
    const own = this.file(commit, path);
    const isFile = (await lstat(own).catch(() => undefined))?.isFile() === true;
    const place = isFile ? own : join(this.blobs, digest.hex);
    const info = await stat(place).catch(() => undefined);
    if (info === undefined) return undefined;
    const there: FileDigests | undefined =
      info.size === size ? await digestFile(place, digest.algorithm, size) : undefined;
    if (there?.hub !== digest.hex) return 'damaged';
    return { sha256: there.sha256, kind: isFile ? 'file' : 'blob' };
  }

  /** Renames a damaged file, so that no process reads it while the file is downloaded again. @returns the new name */
  async moveAside(commit: string, { path, digest }: ListedFile): Promise<string> {
    const own = this.file(commit, path);
    const isFile = (await lstat(own).catch(() => undefined))?.isFile() === true;
    const place = isFile ? own : join(this.blobs, digest.hex);
    const aside = join(this.blobs, `${digest.hex}.damaged`);
    await rename(place, aside);
    return aside;
  }

  /** Links a blob into a snapshot. Without links, the blob is moved there, or copied if others may use it. */
  async place(commit: string, path: string, blob: string, { links, isNew }: { links: boolean; isNew: boolean }) {
    const name = this.file(commit, path);
    const source = join(this.blobs, blob);
    const target = relative(dirname(name), source);
    if (links && (await readlink(name).catch(() => undefined)) === target) return;
    await makeFolder(dirname(name), 0o777);
    await writeWhole(name, async (temporary) => {
      const isLinked =
        links &&
        (await symlink(target, temporary).then(
          () => true,
          () => false,
        ));
      if (!isLinked) await (isNew ? rename : copyFile)(source, temporary);
    });
  }

  /** Lists the files of a commit in the cache, without the Hub. The names of blobs are their digests. */
  async listing(revision: string): Promise<Listing | undefined> {
    const commit = await this.commitOf(revision);
    if (commit === undefined) return undefined;
    const snapshot = this.snapshot(commit);
    const names = await readdir(snapshot, { recursive: true, withFileTypes: true }).catch(() => []);
    const paths = names
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(snapshot, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter(isSafePath);
    return {
      repo: this.repo,
      revision,
      commit,
      paths: new Set(paths),
      describe: async (path) => {
        const file = this.file(commit, path);
        const { size } = await stat(file);
        const named = toDigest(await blobOf(file));
        if (named !== undefined) return { path, size, digest: named };
        const { sha256 } = await digestFile(file, 'sha256', size);
        return { path, size, digest: { algorithm: 'sha256', hex: sha256 } };
      },
    };
  }

  /** Deletes files of a snapshot, the blobs without other links, and folders that are then empty. */
  async remove(commit: string, paths: readonly string[]): Promise<void> {
    const snapshot = this.snapshot(commit);
    const blobs: string[] = [];
    for (const path of paths) {
      const file = this.file(commit, path);
      const blob = await blobOf(file);
      if (blob !== undefined && toDigest(blob) !== undefined) blobs.push(blob);
      await rm(file, { force: true });
    }
    const used = new Set((await linksUnder(join(this.folder, 'snapshots'))).map(({ target }) => lastPart(target)));
    for (const blob of blobs) if (!used.has(blob)) await this.removeBlob(join(this.blobs, blob));
    await removeEmptyFolders(snapshot);
    if (!(await isThere(snapshot))) {
      await this.removeRefs(commit);
      await rm(join(this.folder, '.no_exist', commit), { recursive: true, force: true });
      await rm(join(this.folder, 'trees', `${commit}.json`), { force: true });
    }
    await removeEmptyFolders(this.folder);
  }

  private refFile(revision: string): string {
    return join(this.folder, 'refs', ...revision.split('/'));
  }

  /** A blob may be a link to `<cache>/blobs/<2 hex>/<xet hash>`, which repositories share. It is deleted with its last link. */
  private async removeBlob(blob: string): Promise<void> {
    const target = await readlink(blob).catch(() => undefined);
    await rm(blob, { force: true });
    await rm(`${blob}.damaged`, { force: true });
    if (target === undefined) return;
    const shared = resolve(dirname(blob), target);
    const pool = join(this.cache, 'blobs');
    if (!shared.startsWith(pool + sep)) return;
    const repositories = await readdir(this.cache, { withFileTypes: true });
    for (const { name } of repositories.filter((entry) => entry.isDirectory() && entry.name.includes('--'))) {
      const links = await linksUnder(join(this.cache, name, 'blobs'));
      if (links.some((link) => resolve(link.folder, link.target) === shared)) return;
    }
    await rm(shared, { force: true });
    await removeEmptyFolders(pool);
  }

  private async removeRefs(commit: string): Promise<void> {
    const refs = join(this.folder, 'refs');
    for (const entry of await readdir(refs, { recursive: true, withFileTypes: true }).catch(() => [])) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await readPlainFile(file)).trim() === commit) await rm(file, { force: true });
    }
  }
}

/** The name of the blob that a file of a snapshot links to. */
async function blobOf(file: string): Promise<string | undefined> {
  const target = await readlink(file).catch(() => undefined);
  return target === undefined ? undefined : lastPart(target);
}

function lastPart(path: string): string {
  return path.split(/[\\/]/u).at(-1) ?? '';
}

async function linksUnder(folder: string): Promise<{ readonly folder: string; readonly target: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const links = entries.filter((entry) => entry.isSymbolicLink());
  return Promise.all(
    links.map(async ({ parentPath, name }) => ({
      folder: parentPath,
      target: await readlink(join(parentPath, name)),
    })),
  );
}

async function removeEmptyFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await removeEmptyFolders(join(folder, entry.name));
  const left = await readdir(folder).catch(() => ['?']);
  if (left.length === 0) await rm(folder, { recursive: true, force: true });
}
