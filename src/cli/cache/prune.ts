import { Command, InvalidArgumentError } from 'commander';
import { clearCache, pruneCache } from '../../cache/prune.ts';
import { parseSize } from '../../disk/size.ts';
import type { Io } from '../io.ts';
import { type FormatOption, formatOption, printPruned } from './format.ts';

const PRUNE_EXAMPLES = `
Files that nothing can use any more are always deleted: what killed runs left, and converted weights and checksums of models that do not exist any more. Without --max-size, embeddings over their limit (CLIP_CLASSIFY_CACHE_SIZE) are deleted too, and weights and graphs over theirs (CLIP_CLASSIFY_WEIGHTS_SIZE) if no run used them within a day.

Examples:
  $ clip-classify cache prune
  $ clip-classify cache prune --older-than 30d
  $ clip-classify cache prune --max-size 500MB`;

interface PruneOptions extends FormatOption {
  readonly maxSize?: number;
  readonly olderThan?: number;
}

export const pruneCommand = (io: Io) =>
  new Command('prune')
    .description(
      'delete the part of the cache that was not used for the longest time; other runs can continue meanwhile',
    )
    .option('--max-size <size>', 'delete until the whole cache has at most this size, such as 500MB or 2GB', size)
    .option('--older-than <age>', 'delete what was not used for this time, such as 12h, 30d or 8w', age)
    .addOption(formatOption())
    .addHelpText('after', PRUNE_EXAMPLES)
    .action(async (options: PruneOptions) => printPruned(await pruneCache(options, io.env), options, io));

const CLEAR_EXAMPLES = `
Imported and downloaded models stay; "models rm" removes them.

Examples:
  $ clip-classify cache clear
  $ clip-classify cache clear -f json | jq .removed_bytes`;

export const clearCommand = (io: Io) =>
  new Command('clear')
    .description('delete all cached embeddings, converted weights and checksums; other runs can continue meanwhile')
    .addOption(formatOption())
    .addHelpText('after', CLEAR_EXAMPLES)
    .action(async (options: FormatOption) => printPruned(await clearCache(io.env), options, io));

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('use a size such as 500MB or 2GB.');
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** @returns milliseconds */
function age(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([mhdw])$/u.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor !== undefined) return Number(count) * factor;
  throw new InvalidArgumentError('use a number of minutes, hours, days or weeks, such as 90m, 12h, 30d or 8w.');
}
