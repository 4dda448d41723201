import { copyFile, lstat, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { pid } from 'node:process';
import { makeFolder, replaceFile } from '../disk/cache-files.ts';
import { toDigest } from '../disk/digest.ts';
import { CacheError } from '../errors.ts';
import type { Listing } from './listing.ts';
import { isCommit, isSafePath } from './names.ts';

/**
 * One repository in the hub's cache, as Python's huggingface_hub lays it out (file_download.py):
 * `models--ORG--NAME/blobs/<digest>`, `snapshots/<commit>/<path> -> ../../blobs/<digest>`, `refs/<revision>`.
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

  /** Makes the folders. */
  async create(): Promise<void> {
    for (const folder of [this.blobs, this.locks]) await makeFolder(folder, 0o777);
  }

  /** The commit that a revision stood at when it was last pulled, by whatever tool. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const commit = (await readFile(this.refFile(revision), 'utf8').catch(() => '')).trim();
    return isCommit(commit) ? commit : undefined;
  }

  /** Says where a branch or tag stands. */
  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    await replaceFile(this.refFile(revision), commit);
  }

  /** Gives a blob its name in a snapshot; where links cannot be made (Windows), a copy. */
  async link(commit: string, path: string, blob: string): Promise<void> {
    const name = join(this.snapshot(commit), ...path.split('/'));
    const target = relative(dirname(name), join(this.blobs, blob));
    if ((await readlink(name).catch(() => undefined)) === target) return;
    await makeFolder(dirname(name), 0o777);
    const beside = `${name}.${pid}.tmp`;
    await symlink(target, beside).catch(() => copyFile(join(this.blobs, blob), beside));
    await rename(beside, name);
  }

  /** What the cache holds of a commit: a listing made without the hub. The names of blobs are their digests. */
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
        const file = join(snapshot, ...path.split('/'));
        const digest = toDigest((await readlink(file)).split(/[\\/]/u).at(-1));
        const { size } = await stat(file);
        if (digest === undefined)
          throw new CacheError(`${file} is not a link to a blob of the Hugging Face cache`, 'download the model again');
        return { path, size, digest };
      },
    };
  }

  /** Deletes files of a snapshot, the blobs that nothing else links to, and what is empty then. */
  async remove(commit: string, paths: readonly string[]): Promise<void> {
    const snapshot = this.snapshot(commit);
    const blobs: string[] = [];
    for (const path of paths) {
      const file = join(snapshot, ...path.split('/'));
      const blob = (await readlink(file).catch(() => undefined))?.split(/[\\/]/u).at(-1);
      if (blob !== undefined && toDigest(blob) !== undefined) blobs.push(blob);
      await rm(file, { force: true });
    }
    const used = await this.linkedBlobs();
    for (const blob of blobs) if (!used.has(blob)) await rm(join(this.blobs, blob), { force: true });
    await removeEmptyFolders(snapshot);
    if (!(await exists(snapshot))) await this.removeRefs(commit);
    await removeEmptyFolders(this.folder);
  }

  private refFile(revision: string): string {
    return join(this.folder, 'refs', ...revision.split('/'));
  }

  private async linkedBlobs(): Promise<Set<string>> {
    const snapshots = join(this.folder, 'snapshots');
    const entries = await readdir(snapshots, { recursive: true, withFileTypes: true }).catch(() => []);
    const links = entries.filter((entry) => entry.isSymbolicLink());
    const targets = await Promise.all(links.map((entry) => readlink(join(entry.parentPath, entry.name))));
    return new Set(targets.map((target) => target.split(/[\\/]/u).at(-1) ?? ''));
  }

  private async removeRefs(commit: string): Promise<void> {
    const refs = join(this.folder, 'refs');
    for (const entry of await readdir(refs, { recursive: true, withFileTypes: true }).catch(() => [])) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await readFile(file, 'utf8')).trim() === commit) await rm(file, { force: true });
    }
  }
}

async function removeEmptyFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await removeEmptyFolders(join(folder, entry.name));
  const left = await readdir(folder).catch(() => ['?']);
  if (left.length === 0) await rm(folder, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
