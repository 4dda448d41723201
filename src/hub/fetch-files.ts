import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { requireSpace } from '../disk/cache-files.ts';
import { stampOf } from '../disk/digest.ts';
import { withLock } from '../disk/process-lock.ts';
import { ChecksumError, OfflineError } from '../errors.ts';
import { CachedRepo } from './cache.ts';
import { download } from './download.ts';
import type { ListedFile, Listing } from './listing.ts';
import { hubUrl } from './names.ts';
import { PartialFile } from './partial-file.ts';
import type { PinnedFile } from './pins.ts';
import type { HubConnection } from './transport.ts';

/** How far a pull is. */
export interface PullProgress {
  readonly file: string;
  /** bytes of all files, including files that already existed */
  readonly done: number;
  readonly total: number;
}

/** A download, and who is told about it. */
export interface Fetch {
  /** The name of the model. */
  readonly name: string;
  readonly listing: Listing;
  readonly files: readonly ListedFile[];
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Downloads files into the Hub's cache, one after the other, and links them into the snapshot of the commit.
 *
 * @returns the records of the files, and how many bytes were downloaded
 */
export async function fetchFiles(
  hub: HubConnection,
  { name, listing, files, onProgress, onWarning }: Fetch,
): Promise<{ files: Record<string, PinnedFile>; fetched: number }> {
  const { settings } = hub;
  const { repo, revision, commit } = listing;
  const cached = new CachedRepo(settings.cache, repo);
  await cached.create();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const pinned: Record<string, PinnedFile> = {};
  let [done, fetched] = [0, 0];
  for (const file of files) {
    const onBytes = (bytes: number) => {
      done += bytes;
      onProgress?.({ file: file.path, done, total });
    };
    const blob = await withLock(join(cached.locks, `${file.digest.hex}.clip-classify.lock`), () =>
      fetchFile(hub, cached, { repo, commit, file, name, onBytes, onWarning }),
    );
    fetched += blob.fetched;
    const stamp = await stampOf(cached.file(commit, file.path));
    pinned[file.path] = { size: file.size, sha256: blob.sha256, blob: file.digest.hex, stamp };
  }
  await cached.writeRef(revision, commit);
  return { files: pinned, fetched };
}

interface FileRequest {
  readonly repo: string;
  readonly commit: string;
  readonly file: ListedFile;
  readonly name: string;
  readonly onBytes: (bytes: number) => void;
  readonly onWarning: ((message: string) => void) | undefined;
}

/** Uses an existing file if its bytes are right, and downloads it otherwise. A damaged file is renamed first. */
async function fetchFile(
  hub: HubConnection,
  cached: CachedRepo,
  request: FileRequest,
): Promise<{ sha256: string; fetched: number }> {
  const { commit, file, name, onBytes, onWarning } = request;
  const { links, offline } = hub.settings;
  const there = await cached.look(commit, file);
  if (there !== undefined && there !== 'damaged') {
    onBytes(file.size);
    if (there.kind === 'blob') await cached.place(commit, file.path, file.digest.hex, { links, isNew: false });
    return { sha256: there.sha256, fetched: 0 };
  }
  const path = cached.file(commit, file.path);
  if (offline) {
    const again = `run clip-classify models pull ${name} --force without \`offline\` and HF_HUB_OFFLINE`;
    if (there === 'damaged') throw new ChecksumError(`${path} is damaged, and the network must not be used`, again);
    throw new OfflineError(`${path} is missing, and the network must not be used`, again);
  }
  const aside = there === 'damaged' ? await cached.moveAside(commit, file) : undefined;
  if (aside !== undefined) onWarning?.(`${path} is damaged: it is moved to ${aside} and downloaded again`);
  const result = await fetchBlob(hub, cached, request);
  await cached.place(commit, file.path, file.digest.hex, { links, isNew: true });
  if (aside !== undefined) await rm(aside, { force: true });
  return result;
}

async function fetchBlob(
  hub: HubConnection,
  cached: CachedRepo,
  { repo, commit, file, name, onBytes }: FileRequest,
): Promise<{ sha256: string; fetched: number }> {
  const { endpoint, cache } = hub.settings;
  const { size, path } = file;
  const partial = await PartialFile.open(cached.blobs, file);
  try {
    await requireSpace(cache, size - partial.size);
    const had = partial.size;
    onBytes(had);
    const sha256 = await download(hub, partial, {
      file,
      url: hubUrl(endpoint, `${repo}/resolve/${commit}/${path}`),
      repo,
      what: `${repo}/${path}`,
      nextStep: `clip-classify models pull ${name} --force`,
      onBytes,
    });
    await partial.finish();
    return { sha256, fetched: size - had };
  } catch (error) {
    await partial.leave();
    throw error;
  }
}
