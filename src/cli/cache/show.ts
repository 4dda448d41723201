import { Command } from 'commander';
import { type CacheItem, cacheItems } from '../../cache/inventory.ts';
import { sizeOf } from '../../cache/prune.ts';
import { cacheLimit, formatLimit, weightsLimit } from '../../disk/cache-limit.ts';
import { cacheFolder } from '../../disk/environment.ts';
import { formatSize } from '../../disk/size.ts';
import { columns } from '../../output/columns.ts';
import type { Io } from '../io.ts';
import { print } from '../models/print.ts';
import { type FormatOption, formatOption } from './format.ts';

const EXAMPLES = `
Examples:
  $ clip-classify cache show
  $ clip-classify cache show -f json | jq .bytes`;

export const showCommand = (io: Io) =>
  new Command('show')
    .description('show the size of the cache by kind, model and last use')
    .addOption(formatOption())
    .addHelpText('after', EXAMPLES)
    .action(async ({ format }: FormatOption) => {
      const [folder, items] = [cacheFolder(io.env), await cacheItems(io.env)];
      const [embeddings, weights] = [cacheLimit(io.env), weightsLimit(io.env)];
      const value = {
        folder,
        bytes: sizeOf(items),
        embeddings_limit: Number.isFinite(embeddings) ? embeddings : null,
        weights_limit: Number.isFinite(weights) ? weights : null,
        items: groupsOf(items),
        last_used: agesOf(items),
      };
      await print(io, format === 'json' ? true : undefined, value, textOf(value));
    });

/** Items of one kind and model. */
interface Group {
  readonly kind: string;
  readonly model: string | null;
  readonly files: number;
  readonly bytes: number;
  /** Bytes that nothing can use any more. */
  readonly unusable_bytes: number;
  readonly last_used: string;
}

function groupsOf(items: readonly CacheItem[]): Group[] {
  const groups = new Map<string, CacheItem[]>();
  for (const item of items) {
    const key = JSON.stringify([item.kind, item.model]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  const found = [...groups.values()].map((all): Group => {
    const [{ kind, model }] = all as [CacheItem, ...CacheItem[]];
    return {
      kind,
      model: model ?? null,
      files: all.length,
      bytes: sizeOf(all),
      unusable_bytes: sizeOf(all.filter(({ state }) => state === 'waste')),
      last_used: new Date(Math.max(...all.map(({ lastUsed }) => lastUsed))).toISOString(),
    };
  });
  return found.sort((a, b) => b.bytes - a.bytes);
}

const DAY_MS = 24 * 3600 * 1000;
const AGES = [
  ['within a day', DAY_MS],
  ['within a week', 7 * DAY_MS],
  ['within 30 days', 30 * DAY_MS],
  ['longer ago', Number.POSITIVE_INFINITY],
] as const;

/** Each item is counted once, in the first age that it fits. */
function agesOf(items: readonly CacheItem[]): { when: string; files: number; bytes: number }[] {
  const now = Date.now();
  const ageOf = ({ lastUsed }: CacheItem) => AGES.find(([, most]) => now - lastUsed <= most);
  return AGES.map((age) => {
    const those = items.filter((item) => ageOf(item) === age);
    return { when: age[0], files: those.length, bytes: sizeOf(those) };
  });
}

interface Shown {
  readonly folder: string;
  readonly bytes: number;
  readonly embeddings_limit: number | null;
  /** Of converted weights and optimized graphs together. */
  readonly weights_limit: number | null;
  readonly items: readonly Group[];
  readonly last_used: ReturnType<typeof agesOf>;
}

function textOf({ folder, bytes, embeddings_limit, weights_limit, items, last_used: ages }: Shown): string {
  const [embeddings, weights] = [embeddings_limit, weights_limit].map((limit) =>
    formatLimit(limit ?? Number.POSITIVE_INFINITY),
  );
  const head = `${folder}: ${formatSize(bytes)} (embeddings: ${embeddings}; weights and graphs: ${weights})\n`;
  if (items.length === 0) return head;
  const rows = items.map(({ kind, model, files, bytes: size, unusable_bytes: unusable, last_used: last }) => [
    kind,
    model ?? '',
    String(files),
    formatSize(size),
    last.slice(0, 10),
    unusable === 0 ? '' : `${formatSize(unusable)} unusable`,
  ]);
  const used = ages.map(({ when, files, bytes: size }) => [when, String(files), formatSize(size)]);
  return [
    head,
    columns([['kind', 'model', 'files', 'size', 'last used', ''], ...rows], 'llrrll'),
    columns([['last used', 'files', 'size'], ...used], 'lrr'),
  ].join('\n');
}
