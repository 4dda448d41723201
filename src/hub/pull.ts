import { inCache } from '../disk/cache-files.ts';
import type { Env } from '../disk/environment.ts';
import { hubSettings } from '../network/settings.ts';
import { CachedRepo } from './cache.ts';
import { checkListed, checkPinned } from './card-digests.ts';
import { fetchFiles, type PullProgress } from './fetch-files.ts';
import type { ListedFile, Listing } from './listing.ts';
import { hubUrl } from './names.ts';
import { type Pin, readPins, updatePins } from './pins.ts';
import { asks, firstThatGives, listSource, resolveTarget } from './pull-target.ts';
import type { CardSource } from './registry.ts';
import { RETRY_POLICY, type RetryPolicy, type Trouble } from './retry.ts';
import { type Choice, chooseSource } from './sources.ts';
import { connectHub, type HubConnection } from './transport.ts';
import { requireIntact } from './verify.ts';

export interface PullOptions {
  readonly env: Env;
  /** Check every byte of existing files, and download files that differ. A recorded model stays at its commit. */
  readonly force?: boolean;
  /** Never open a connection: use the files in the Hub's cache. */
  readonly offline?: boolean;
  /** The name of the model here. @default the card's name, else the repository's without its organisation */
  readonly name?: string;
  readonly retryPolicy?: RetryPolicy;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly onWarning?: (message: string) => void;
  /** Called while no bytes arrive. */
  readonly onTrouble?: (trouble: Trouble) => void;
}

export interface Pulled {
  readonly name: string;
  readonly pin: Pin;
  /** Bytes of the files that were downloaded. */
  readonly fetched: number;
  /** True if the model was already downloaded and is unchanged, so that no request was sent. */
  readonly alreadyThere: boolean;
}

/** The plan of a download. */
export interface PullPlan {
  readonly name: string;
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly PlannedFile[];
  /** Bytes that would be downloaded. */
  readonly download: number;
}

/** A file of a {@link PullPlan}. */
export interface PlannedFile {
  readonly path: string;
  readonly url: string;
  /** bytes */
  readonly size: number;
  /** The sha256 of a large file, the sha1 of a small one as git has it. */
  readonly digest: string;
  readonly cached: boolean;
}

/**
 * Downloads a model into the Hub's cache, and records its commit and checksums. An unchanged model that was downloaded before needs no
 * connection.
 *
 * @param what the name or an alias of a card, or `org/repo[@revision]`
 * @throws HubError, OfflineError, ChecksumError, CacheError, ModelError or UsageError; nothing is recorded then, and partial files are
 *   kept for the next pull
 */
export async function pullModel(what: string, options: PullOptions): Promise<Pulled> {
  const { env, force = false, onProgress, onWarning } = options;
  const { target, pin } = await targetOf(what, options);
  const { name } = target;
  if (!force && pin !== undefined && (await isIntact(name, pin, env)))
    return { name, pin, fetched: 0, alreadyThere: true };
  const hub = await connect(options);
  const { cache } = hub.settings;
  const pulled = await firstThatGives(
    target.sources,
    async (source) => {
      const { listing, choice, files } = await chooseFiles(hub, source, pin);
      checkListed(source, files, onWarning);
      const { files: pinned, fetched } = await inCache(cache, 'HF_HUB_CACHE', () =>
        fetchFiles(hub, { name, listing, files, onProgress, onWarning }),
      );
      checkPinned(source, pinned, onWarning);
      const { repo, revision } = source;
      return { pin: { repo, revision, commit: listing.commit, layout: choice.layout, cache, files: pinned }, fetched };
    },
    onWarning,
  );
  await updatePins(env, (all) => all.set(name, pulled.pin));
  return { name, ...pulled, alreadyThere: false };
}

/** What {@link pullModel} would download, from where and with which checksums. Only listings are read. */
export async function planPull(what: string, options: PullOptions): Promise<PullPlan> {
  const { target, pin } = await targetOf(what, options);
  const hub = await connect(options);
  return firstThatGives(
    target.sources,
    async (source) => {
      const { listing, files } = await chooseFiles(hub, source, pin);
      checkListed(source, files, options.onWarning);
      const { repo, commit, revision } = listing;
      const cached = new CachedRepo(hub.settings.cache, repo);
      const planned = await Promise.all(
        files.map(async (file): Promise<PlannedFile> => {
          const there = await cached.look(commit, file);
          const { href: url } = hubUrl(hub.settings.endpoint, `${repo}/resolve/${commit}/${file.path}`);
          const { path, size, digest } = file;
          return { path, url, size, digest: digest.hex, cached: there !== undefined && there !== 'damaged' };
        }),
      );
      const download = planned.reduce((sum, { cached: isCached, size }) => sum + (isCached ? 0 : size), 0);
      return { name: target.name, repo, revision, commit, files: planned, download };
    },
    options.onWarning,
  );
}

/** The target, and its record if it was downloaded from one of the target's sources. */
async function targetOf(what: string, { env, name }: PullOptions) {
  const pins = await readPins(env);
  const target = await resolveTarget(what, pins, name);
  const pinned = pins.get(target.name);
  const pin = pinned !== undefined && target.sources.some((source) => asks(source, pinned)) ? pinned : undefined;
  return { target, pin };
}

async function connect({ env, offline, retryPolicy = RETRY_POLICY, onTrouble, onWarning }: PullOptions) {
  return connectHub(await hubSettings(env, offline), { retryPolicy, onTrouble, onWarning });
}

async function chooseFiles(
  hub: HubConnection,
  source: CardSource,
  pin: Pin | undefined,
): Promise<{ listing: Listing; choice: Choice; files: readonly ListedFile[] }> {
  const listing = await listSource(hub, source, pin);
  const choice = chooseSource(listing.paths, source.repo);
  const files = await Promise.all(choice.paths.map((path) => listing.describe(path)));
  return { listing, choice, files: hub.settings.offline && pin !== undefined ? files.map(asPinned(pin)) : files };
}

/** Offline, a cache without links has no checksums, so its files must match the record. */
function asPinned({ files }: Pin): (file: ListedFile) => ListedFile {
  return (file) => {
    const pinned = files[file.path];
    if (pinned === undefined || file.digest.algorithm !== 'sha256') return file;
    return { ...file, size: pinned.size, digest: { algorithm: 'sha256', hex: pinned.sha256 } };
  };
}

function isIntact(name: string, pin: Pin, env: Env): Promise<boolean> {
  return requireIntact(name, pin, env).then(
    () => true,
    () => false, // it is pulled again
  );
}
