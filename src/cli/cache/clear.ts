import { Command } from 'commander';
import { clearCache } from '../../cache/prune.ts';
import type { Io } from '../io.ts';
import { type FormatOption, formatOption, printPruned } from './format.ts';

const EXAMPLES = `
Imported and downloaded models stay; "models rm" removes them.

Examples:
  $ clip-classify cache clear
  $ clip-classify cache clear -f json | jq .removed_bytes`;

export const clearCommand = (io: Io) =>
  new Command('clear')
    .description('delete all cached embeddings, converted weights and checksums; runs can go on meanwhile')
    .addOption(formatOption())
    .addHelpText('after', EXAMPLES)
    .action(async (options: FormatOption) => printPruned(await clearCache(io.env), options, io));
