import { ModelError, OfflineError, UsageError } from '../errors.ts';
import { CachedRepo } from './cache.ts';
import { type Listing, listRepository } from './listing.ts';
import { looksLikeRepo, parseRepo } from './names.ts';
import { nearNames } from './near-names.ts';
import type { Pin, Pins } from './pins.ts';
import { type CardSource, findCard } from './registry.ts';
import { NothingToLoad } from './sources.ts';
import { AccessRefused, MissingRepository } from './status.ts';
import type { HubConnection } from './transport.ts';

/** The name of a model, and its possible sources. */
export interface Target {
  readonly name: string;
  readonly sources: readonly CardSource[];
}

/**
 * Finds what a text means: a card by any of its names, a downloaded model, or a repository.
 *
 * @throws ModelError if it is none of these, UsageError if it cannot be a repository
 */
export async function resolveTarget(what: string, pins: Pins, name?: string): Promise<Target> {
  const card = await findCard(what);
  if (card !== undefined) {
    const asked = card.sources.filter(({ repo }) => repo.toLowerCase() === what.toLowerCase());
    return { name: name ?? card.name, sources: [...new Set([...asked, ...card.sources])] };
  }
  const pin = pins.get(what); // pulled by its repository before
  if (pin !== undefined)
    return { name: name ?? what, sources: [{ repo: pin.repo, revision: pin.revision, digests: [] }] };
  if (!looksLikeRepo(what)) {
    const near = await nearNames(what);
    throw new ModelError(
      `there is no model called ${what} to pull`,
      `use ${near.length > 0 ? near.join(' or ') : 'a name of `clip-classify models list`'}, or org/repo`,
    );
  }
  const { repo, revision = 'main' } = parseRepo(what);
  const known = await findCard(repo);
  const called = name ?? known?.name ?? repo.slice(repo.indexOf('/') + 1);
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/iu.test(called))
    throw new UsageError(
      `"${called}" is not a valid model name`,
      'use letters, digits, dots and dashes: --name my-clip',
    );
  return { name: called, sources: [{ repo, revision, digests: [] }] };
}

/** Whether a recorded model comes from a source. */
export function asks({ repo, revision }: CardSource, pin: Pin): boolean {
  return repo === pin.repo && (revision === pin.revision || revision === pin.commit);
}

/**
 * Tries the sources of a model in order, until one has files that can be loaded.
 *
 * @throws the error of the first source if all fail
 */
export async function firstThatGives<T>(
  sources: readonly CardSource[],
  attempt: (source: CardSource) => Promise<T>,
  warn?: (message: string) => void,
): Promise<T> {
  let failure: unknown;
  for (const [n, source] of sources.entries()) {
    try {
      return await attempt(source);
    } catch (error) {
      const mayBeElsewhere = [NothingToLoad, MissingRepository, AccessRefused, OfflineError].some(
        (kind) => error instanceof kind,
      );
      if (!mayBeElsewhere) throw error;
      failure ??= error;
      const next = sources[n + 1];
      if (next !== undefined && error instanceof AccessRefused) warn?.(`${error.message}; trying ${next.repo}`);
    }
  }
  throw failure;
}

/** Lists the files of a source; offline, its files in the cache. @param pin if it is from this source, its commit is used */
export async function listSource(hub: HubConnection, source: CardSource, pin: Pin | undefined): Promise<Listing> {
  const revision = pin !== undefined && asks(source, pin) ? pin.commit : source.revision;
  const { offline, cache } = hub.settings;
  if (!offline) return listRepository(hub, source.repo, revision);
  const repo = new CachedRepo(cache, source.repo);
  for (const wanted of [revision, 'main']) {
    const cached = await repo.listing(wanted);
    if (cached !== undefined && cached.paths.size > 0) return cached;
  }
  throw new OfflineError(
    `${source.repo} is not in ${cache}, and the network must not be used`,
    'pull the model without `offline` and HF_HUB_OFFLINE, or set HF_HUB_CACHE to a cache that contains it',
  );
}
