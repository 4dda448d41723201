import { Option } from 'commander';
import type { Pruned } from '../../cache/prune.ts';
import { sizeOf } from '../../cache/prune.ts';
import { formatSize } from '../../disk/size.ts';
import type { Io } from '../io.ts';
import { print } from '../models/print.ts';

export interface FormatOption {
  readonly format: 'text' | 'json';
}

export const formatOption = () =>
  new Option('-f, --format <format>', 'output format').choices(['text', 'json']).default('text');

/** Prints what was deleted. */
export async function printPruned({ removed, kept, left }: Pruned, { format }: FormatOption, io: Io): Promise<void> {
  const value = {
    removed: removed.length,
    removed_bytes: sizeOf(removed),
    in_use: kept.length,
    in_use_bytes: sizeOf(kept),
    left_bytes: left,
  };
  const inUse =
    kept.length === 0
      ? ''
      : `; ${files(kept.length)} could not be removed, because a run is using them or another user owns them`;
  const text = `removed ${files(removed.length)}, ${formatSize(sizeOf(removed))}; ${formatSize(left)} left${inUse}\n`;
  await print(io, format === 'json' ? true : undefined, value, text);
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}
