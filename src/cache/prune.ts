import type { Env } from '../disk/environment.ts';
import { cacheLimit } from '../disk/size.ts';
import { type CacheItem, cacheItems } from './inventory.ts';

/** What is not deleted. */
export interface PruneOptions {
  /** Bytes of all items. @default embeddings have the limit of the cache */
  readonly maxSize?: number | undefined;
  /** Milliseconds since the last use. */
  readonly olderThan?: number | undefined;
}

/** What was deleted, and what is there now. */
export interface Pruned {
  readonly removed: readonly CacheItem[];
  /** Items that could not be deleted, because a run needs them or another user owns them. */
  readonly kept: readonly CacheItem[];
  /** Bytes that are left. */
  readonly left: number;
}

/**
 * Deletes what nothing can use any more and what is older than `olderThan`. Then deletes the items that no run used for the longest time,
 * until the rest is small enough. Files that a run is writing stay.
 */
export async function pruneCache({ maxSize, olderThan }: PruneOptions, env?: Env): Promise<Pruned> {
  const items = await cacheItems(env);
  const now = Date.now();
  const isDue = ({ state, lastUsed }: CacheItem) =>
    state === 'waste' || (state === 'whole' && olderThan !== undefined && now - lastUsed > olderThan);
  const due = new Set(items.filter(isDue));
  const bounded = items.filter(({ kind }) => maxSize !== undefined || kind.endsWith('embeddings'));
  const limit = maxSize ?? cacheLimit(env);
  let bytes = sizeOf(bounded.filter((item) => !due.has(item)));
  for (const item of bounded.sort((a, b) => a.lastUsed - b.lastUsed)) {
    if (bytes <= limit) break;
    if (due.has(item) || item.state === 'growing') continue;
    due.add(item);
    bytes -= item.size;
  }
  return removeAll(items, due);
}

/** Deletes all items. Runs that are writing start again. Imported and downloaded models stay. */
export async function clearCache(env?: Env): Promise<Pruned> {
  const items = await cacheItems(env);
  return removeAll(items, new Set(items));
}

async function removeAll(items: readonly CacheItem[], due: ReadonlySet<CacheItem>): Promise<Pruned> {
  const removed: CacheItem[] = [];
  const kept: CacheItem[] = [];
  for (const item of due) ((await item.remove()) ? removed : kept).push(item);
  return { removed, kept, left: sizeOf(items) - sizeOf(removed) };
}

export function sizeOf(items: readonly Pick<CacheItem, 'size'>[]): number {
  return items.reduce((sum, { size }) => sum + size, 0);
}
