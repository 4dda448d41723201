import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { requireSpace } from '../disk/cache-files.ts';
import { digestFile, stampOf } from '../disk/digest.ts';
import { withLock } from '../disk/process-lock.ts';
import { OfflineError } from '../errors.ts';
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
  /** bytes of all files, those that were there included */
  readonly done: number;
  readonly total: number;
}

/**
 * Brings files into the hub's cache, one after the other, and gives them their names in the commit's snapshot.
 *
 * @returns what to pin of them, and how many bytes had to be fetched
 */
export async function fetchFiles(
  hub: HubConnection,
  name: string,
  { repo, revision, commit }: Listing,
  files: readonly ListedFile[],
  onProgress?: (progress: PullProgress) => void,
): Promise<{ files: Record<string, PinnedFile>; fetched: number }> {
  const { settings } = hub;
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
      fetchBlob(hub, cached, { repo, commit, file, name, onBytes }),
    );
    await cached.link(commit, file.path, file.digest.hex);
    fetched += blob.fetched;
    const stamp = await stampOf(join(cached.snapshot(commit), ...file.path.split('/')));
    pinned[file.path] = { size: file.size, sha256: blob.sha256, blob: file.digest.hex, stamp };
  }
  await cached.writeRef(revision, commit);
  return { files: pinned, fetched };
}

interface BlobRequest {
  readonly repo: string;
  readonly commit: string;
  readonly file: ListedFile;
  readonly name: string;
  readonly onBytes: (bytes: number) => void;
}

/** Takes the blob that is there, if its bytes are right, else fetches it. */
async function fetchBlob(
  hub: HubConnection,
  cached: CachedRepo,
  { repo, commit, file, name, onBytes }: BlobRequest,
): Promise<{ sha256: string; fetched: number }> {
  const { digest, size } = file;
  const path = join(cached.blobs, digest.hex);
  if ((await stat(path).catch(() => undefined))?.size === size) {
    const there = await digestFile(path, digest.algorithm, size);
    if (there.hub === digest.hex) {
      onBytes(size);
      return { sha256: there.sha256, fetched: 0 };
    }
  }
  const { offline, endpoint, cache } = hub.settings;
  if (offline) {
    const damaged = `${path} is missing or damaged, and no connection may be opened`;
    throw new OfflineError(
      damaged,
      `run clip-classify models pull ${name} --force without \`offline\` and HF_HUB_OFFLINE`,
    );
  }
  const partial = await PartialFile.open(cached.blobs, file);
  try {
    await requireSpace(cache, size - partial.size);
    const had = partial.size;
    onBytes(had);
    const url = hubUrl(endpoint, `${repo}/resolve/${commit}/${file.path}`);
    const nextStep = `clip-classify models pull ${name} --force`;
    const sha256 = await download(hub, partial, { file, url, what: `${repo}/${file.path}`, nextStep, onBytes });
    await partial.finish();
    return { sha256, fetched: size - had };
  } catch (error) {
    await partial.leave();
    throw error;
  }
}
