import { ModelError, OfflineError, UsageError } from '../errors.ts';
import { CachedRepo } from './cache.ts';
import { type Listing, listRepository } from './listing.ts';
import { looksLikeRepo, parseRepo } from './names.ts';
import type { Pin, Pins } from './pins.ts';
import { type CardSource, findCard, modelCards } from './registry.ts';
import { type Choice, chooseSource, NothingToLoad } from './sources.ts';
import { MissingRepository } from './status.ts';
import type { HubConnection } from './transport.ts';

/** What to call a model, and where it may come from. */
export interface Target {
  readonly name: string;
  readonly sources: readonly CardSource[];
}

/** A source that holds something, and what to take of it. */
export interface Found {
  readonly listing: Listing;
  readonly choice: Choice;
  readonly source: CardSource;
}

/**
 * Whom a text names: a card, by any of its names, a model that was pulled before, or a repository.
 *
 * @throws ModelError if none of them, UsageError if it cannot be a repository
 */
export async function resolveTarget(what: string, pins: Pins, name?: string): Promise<Target> {
  const card = await findCard(what);
  if (card !== undefined) return { name: name ?? card.name, sources: card.sources };
  const pin = pins.get(what); // pulled by its repository before
  if (pin !== undefined)
    return { name: name ?? what, sources: [{ repo: pin.repo, revision: pin.revision, digests: [] }] };
  if (!looksLikeRepo(what)) {
    const names = (await modelCards()).map((known) => known.name);
    throw new ModelError(`there is no model called ${what}`, `use one of ${names.join(', ')}, or org/repo`);
  }
  const { repo, revision = 'main' } = parseRepo(what);
  const known = (await findCard(repo))?.name;
  const called = name ?? known ?? repo.slice(repo.indexOf('/') + 1);
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/iu.test(called))
    throw new UsageError(
      `"${called}" is not a valid model name`,
      'use letters, digits, dots and dashes, such as --name my-clip',
    );
  return { name: called, sources: [{ repo, revision, digests: [] }] };
}

/** Whether what is pinned is what a source asks for. */
export function asks({ repo, revision }: CardSource, pin: Pin): boolean {
  return repo === pin.repo && (revision === pin.revision || revision === pin.commit);
}

/** Goes through the sources of a model until one holds something that can be loaded; what is pinned stays at its commit. */
export async function firstThatLoads(
  hub: HubConnection,
  sources: readonly CardSource[],
  pin: Pin | undefined,
): Promise<Found> {
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
    `${repo} is not in ${hub.settings.cache}, and the network must not be used`,
    'pull the model without `offline` and HF_HUB_OFFLINE, or set HF_HUB_CACHE to a cache that contains it',
  );
}
