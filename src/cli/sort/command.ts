import { Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withInputOptions } from '../options/input-options.ts';
import { withLabelOptions, withRefusalOptions } from '../options/label-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import type { SortOptions } from './run.ts';

const EXAMPLES = `
Without --apply, nothing is changed: the command prints a plan. Every action is recorded in the target folder, and \
--undo puts everything back.

Examples:
  $ clip-classify sort photos/ -l cat,dog --to sorted/            # a plan
  $ clip-classify sort photos/ -l cat,dog --to sorted/ --apply    # copies the files
  $ clip-classify sort --undo sorted/`;

export const sortCommand = (io: Io, onExit: (code: number) => void) => {
  const command = withInputOptions(
    new Command('sort').description('file pictures into one folder for each label; a plan unless --apply is given'),
  );
  withRefusalOptions(withLabelOptions(command))
    .optionsGroup('Sorting:')
    .option('--to <folder>', 'folder that gets one folder for each label')
    .option('--apply', 'carry out the plan')
    .option('--copy', 'copy the files (the default)')
    .option('--move', 'move the files')
    .addOption(
      new Option('--link [kind]', 'link the files instead of copying them: hard or symbolic')
        .choices(['hard', 'symbolic'])
        .preset('hard'),
    )
    .option('--leave', 'leave pictures without a label where they are, instead of in _none/')
    .option('--from <file>', 'sort by rows that classify wrote (.jsonl or .json), without running a model')
    .option('--undo <folder>', 'put back everything that was sorted into this folder')
    .addOption(new Option('-f, --format <format>', 'how the plan is printed').choices(['table', 'jsonl']));
  return withMessageOptions(withCacheOptions(withModelOptions(command)), io, 'the number of skipped files and ')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: SortOptions) => {
      const { runSort } = await import('./run.ts');
      onExit(await runSort(images, options, io));
    });
};
