import { inCache } from '../disk/cache-files.ts';
import type { Env } from '../disk/environment.ts';
import { ChecksumError } from '../errors.ts';
import { hubSettings } from '../network/settings.ts';
import { fetchFiles, type PullProgress } from './fetch-files.ts';
import type { ListedFile } from './listing.ts';
import { type Pin, readPins, updatePins } from './pins.ts';
import { asks, firstThatLoads, resolveTarget } from './pull-target.ts';
import type { CardSource } from './registry.ts';
import { PATIENCE, type Patience } from './retry.ts';
import { connectHub } from './transport.ts';
import { requireIntact } from './verify.ts';

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
    fetchFiles(hub, target.name, listing, files, options.onProgress),
  );
  const { repo, revision } = source;
  const { layout } = choice;
  const now: Pin = { repo, revision, commit: listing.commit, layout, cache: settings.cache, files: pulled.files };
  await updatePins(env, (all) => all.set(target.name, now));
  return { name: target.name, pin: now, fetched: pulled.fetched, alreadyThere: false };
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
    const fact = `${repo}/${path} has sha256 ${digest.hex} on the Hub, but its model card says ${claim.sha256}`;
    if (claim.verified)
      throw new ChecksumError(fact, 'do not use this file; report it to the maintainers of clip-classify');
    warn?.(`${fact}; the card's value is unverified, so the Hub's is used`);
  }
}
