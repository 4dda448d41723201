import { Command } from 'commander';
import type { Io } from '../io.ts';
import { clearCommand, pruneCommand } from './prune.ts';
import { showCommand } from './show.ts';

const EXAMPLES = `
Examples:
  $ clip-classify cache show
  $ clip-classify cache prune --older-than 30d
  $ clip-classify cache clear`;

export const cacheCommand = (io: Io) => {
  const cache = new Command('cache')
    .description('show, prune or clear cached embeddings, converted weights and checksums')
    .addHelpText('after', EXAMPLES);
  cache.addCommand(showCommand(io));
  cache.addCommand(pruneCommand(io));
  cache.addCommand(clearCommand(io));
  return cache;
};
