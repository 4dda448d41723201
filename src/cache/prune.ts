import { cacheLimit, weightsLimit } from '../disk/cache-limit.ts';
import type { Env } from '../disk/environment.ts';
import { weightsOverLimit } from '../model/weights-limit.ts';
import { type CacheItem, cacheItems } from './inventory.ts';

/** What is not deleted. */
export interface PruneOptions {
  /** Bytes of all items. @default embeddings have one limit, converted weights and optimised graphs have another */
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
  const left = items.filter((item) => !due.has(item));
  const over =
    maxSize === undefined
      ? [
          ...oldestOver(left.filter(isEmbedding), cacheLimit(env)),
          ...weightsOverLimit(left.filter(isWeights), weightsLimit(env)),
        ]
      : oldestOver(left, maxSize);
  return removeAll(items, new Set([...due, ...over]));
}

/** The items that no run used for the longest time, without which the rest is small enough. */
function oldestOver(items: readonly CacheItem[], limit: number): CacheItem[] {
  const over: CacheItem[] = [];
  let bytes = sizeOf(items);
  for (const item of items.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
    if (bytes <= limit) break;
    if (item.state === 'growing') continue;
    over.push(item);
    bytes -= item.size;
  }
  return over;
}

function isEmbedding({ kind }: CacheItem): boolean {
  return kind === 'image embeddings' || kind === 'label embeddings';
}

function isWeights({ kind }: CacheItem): boolean {
  return kind === 'converted weights' || kind === 'optimized graphs';
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
