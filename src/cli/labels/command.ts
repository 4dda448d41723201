import { Command } from 'commander';
import type { Io } from '../io.ts';
import { lintCommand } from './lint.ts';
import { listCommand } from './list.ts';
import { showCommand } from './show.ts';

const EXAMPLES = `
Examples:
  $ clip-classify labels list
  $ clip-classify labels lint -l "dog,poodle,crane"`;

export const labelsCommand = (io: Io, onExit: (code: number) => void) => {
  const labels = new Command('labels')
    .description('list and show ready-made label sets, and check labels of your own')
    .addHelpText('after', EXAMPLES);
  labels.addCommand(listCommand(io));
  labels.addCommand(showCommand(io));
  labels.addCommand(lintCommand(io, onExit));
  return labels;
};
