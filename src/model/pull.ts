import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ChecksumError, ModelError, OfflineError, UsageError } from '../errors.ts';
import { digestFile } from './digest.ts';
import { download } from './download.ts';
import type { Env } from './environment.ts';
import { type HubSettings, hubSettings } from './hub.ts';
import { CachedRepo, inCache, requireSpace } from './hub-cache.ts';
import { type ListedFile, type Listing, listRepository } from './hub-listing.ts';
import { hubUrl, looksLikeRepo, parseRepo } from './hub-names.ts';
import { MissingRepository } from './hub-status.ts';
import { connectHub, type HubConnection } from './hub-transport.ts';
import { PartialFile } from './partial-file.ts';
import { type Pin, type PinnedFile, type Pins, readPins, updatePins } from './pins.ts';
import { withLock } from './process-lock.ts';
import { type CardSource, findCard, modelCards } from './registry.ts';
import { PATIENCE, type Patience } from './retry.ts';
import { type Choice, chooseSource, NothingToLoad } from './sources.ts';
import { requireIntact, stampOf } from './verify.ts';

/** How far a pull is. */
export interface PullProgress {
  readonly file: string;
  /** bytes of all files, those that were there included */
  readonly done: number;
  readonly total: number;
}

export interface PullOptions {
  readonly env: Env;
  /** Check every byte that is there, and fetch what differs; a pinned model stays at its commit. */
  readonly force?: boolean;
  /** Never open a connection: take what the hub's cache holds. */
  readonly offline?: boolean;
  /** What to call the model. @default the card's name, else the repository's without its organisation */
  readonly name?: string;
  readonly patience?: Patience;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly onWarning?: (message: string) => void;
}

export interface Pulled {
  readonly name: string;
  readonly pin: Pin;
  /** Bytes of the files that had to be fetched. */
  readonly fetched: number;
  /** Nothing was asked or checked anew: the model was there, as it was pulled. */
  readonly alreadyThere: boolean;
}

interface Target {
  readonly name: string;
  readonly sources: readonly CardSource[];
}

/**
 * Brings a model of the hub into the hub's cache and pins what came. A model that is pinned and intact needs no connection.
 *
 * @param what the name or an alias of a card, or `org/repo[@revision]`
 * @throws HubError, OfflineError, ChecksumError, CacheError, ModelError or UsageError; then nothing is pinned, and what
 *   came of a file is kept for the next pull
 */
export async function pullModel(what: string, options: PullOptions): Promise<Pulled> {
  const { env, force = false, patience = PATIENCE } = options;
  const pins = await readPins(env);
  const target = await resolveTarget(what, pins, options.name);
  const pinned = pins.get(target.name);
  const pin = pinned !== undefined && target.sources.some((source) => asks(source, pinned)) ? pinned : undefined;
  if (!force && pin !== undefined) {
    const intact = await requireIntact(target.name, pin, env).then(
      () => true,
      () => false, // it is pulled again
    );
    if (intact) return { name: target.name, pin, fetched: 0, alreadyThere: true };
  }
  const settings = await hubSettings(env, options.offline);
  const hub = await connectHub(settings, patience);
  const { listing, choice, source } = await firstThatLoads(hub, target.sources, pin);
  const files = await Promise.all(choice.paths.map((path) => listing.describe(path)));
  checkAgainstCard(source, files, options.onWarning);
  const pulled = await inCache(settings.cache, 'HF_HUB_CACHE', () =>
    fetchAll(hub, target.name, listing, files, options),
  );
  const { repo, revision } = source;
  const { layout } = choice;
  const now: Pin = { repo, revision, commit: listing.commit, layout, cache: settings.cache, files: pulled.files };
  await updatePins(env, (all) => all.set(target.name, now));
  return { name: target.name, pin: now, fetched: pulled.fetched, alreadyThere: false };
}

/** Whether what is pinned is what a source asks for. */
function asks({ repo, revision }: CardSource, pin: Pin): boolean {
  return repo === pin.repo && (revision === pin.revision || revision === pin.commit);
}

async function resolveTarget(what: string, pins: Pins, name?: string): Promise<Target> {
  const card = await findCard(what);
  if (card !== undefined) return { name: name ?? card.name, sources: card.sources };
  const pin = pins.get(what); // pulled by its repository before
  if (pin !== undefined)
    return { name: name ?? what, sources: [{ repo: pin.repo, revision: pin.revision, digests: [] }] };
  if (!looksLikeRepo(what)) {
    const names = (await modelCards()).map((known) => known.name);
    throw new ModelError(`there is no model called ${what} to pull`, `known are ${names.join(', ')}; or give org/repo`);
  }
  const { repo, revision = 'main' } = parseRepo(what);
  const known = (await findCard(repo))?.name;
  const called = name ?? known ?? repo.slice(repo.indexOf('/') + 1);
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/iu.test(called))
    throw new UsageError(
      `"${called}" cannot be the name of a model`,
      'give one of letters, digits, dots and dashes: --name my-clip',
    );
  return { name: called, sources: [{ repo, revision, digests: [] }] };
}

/** Goes through the sources of a model until one holds something that can be loaded; what is pinned stays at its commit. */
async function firstThatLoads(
  hub: HubConnection,
  sources: readonly CardSource[],
  pin: Pin | undefined,
): Promise<{ listing: Listing; choice: Choice; source: CardSource }> {
  let failure: unknown;
  for (const source of sources) {
    try {
      const revision = pin !== undefined && asks(source, pin) ? pin.commit : source.revision;
      const listing = await list(hub, source.repo, revision);
      return { listing, choice: chooseSource(listing.paths, source.repo), source };
    } catch (error) {
      const mayBeElsewhere = [NothingToLoad, MissingRepository, OfflineError].some((kind) => error instanceof kind);
      if (!mayBeElsewhere) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

async function list(hub: HubConnection, repo: string, revision: string): Promise<Listing> {
  if (!hub.settings.offline) return listRepository(hub, repo, revision);
  const cached = await new CachedRepo(hub.settings.cache, repo).listing(revision);
  if (cached !== undefined && cached.paths.size > 0) return cached;
  throw new OfflineError(
    `${repo} is not in ${hub.settings.cache}, and no connection may be opened`,
    'pull it without --offline and HF_HUB_OFFLINE, or set HF_HUB_CACHE to a cache that has it',
  );
}

/** @throws ChecksumError if the hub's digest differs from one that a card is sure of */
function checkAgainstCard(
  { repo, digests }: CardSource,
  files: readonly ListedFile[],
  warn?: (message: string) => void,
): void {
  for (const { path, digest } of files) {
    const claim = digests.find((known) => known.path === path);
    if (claim === undefined || digest.algorithm !== 'sha256' || claim.sha256 === digest.hex) continue;
    const fact = `${repo}/${path} has sha256 ${digest.hex} on the hub, its model card says ${claim.sha256}`;
    if (claim.verified) throw new ChecksumError(fact, 'do not use it; report it to clip-classify');
    warn?.(`${fact}, which nobody had checked; the hub's is taken`);
  }
}

async function fetchAll(
  hub: HubConnection,
  name: string,
  { repo, revision, commit }: Listing,
  files: readonly ListedFile[],
  { onProgress }: PullOptions,
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
  const { offline, endpoint, cache } = hub.settings satisfies HubSettings;
  if (offline) {
    const damaged = `${path} is missing or damaged, and no connection may be opened`;
    throw new OfflineError(damaged, `clip-classify models pull ${name} --force, without --offline and HF_HUB_OFFLINE`);
  }
  await mkdir(cached.blobs, { recursive: true });
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
