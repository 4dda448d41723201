import { Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withInputOptions } from '../options/input-options.ts';
import { withLabelOptions, withScoreOptions } from '../options/label-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import type { TagOptions } from './run.ts';

const EXAMPLES = `
Labels are written into XMP sidecars (photo.jpg.xmp) as dc:subject, digiKam:TagsList and lr:hierarchicalSubject. The \
picture itself is never changed. With --threshold, every label with at least this score is written, otherwise the first.

Examples:
  $ clip-classify tag photos/ -l beach,mountain,city --threshold 0.3 --dry-run
  $ clip-classify tag photos/ --remove`;

export const tagCommand = (io: Io, onExit: (code: number) => void) => {
  const command = withInputOptions(new Command('tag').description('write labels into XMP sidecars'));
  withScoreOptions(withLabelOptions(command))
    .optionsGroup('Tags:')
    .option('--parent <keyword>', 'put the labels under this keyword, as in auto/cat')
    .option('--dry-run', 'show the changes without writing them')
    .option('--remove', 'remove exactly the tags that this tool added')
    .addOption(
      new Option('-f, --format <format>', 'output format (default: table on a terminal, otherwise jsonl)').choices([
        'table',
        'jsonl',
      ]),
    );
  return withMessageOptions(withCacheOptions(withModelOptions(command)), io, 'the number of skipped files and ')
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: TagOptions) => {
      const { runTag } = await import('./run.ts');
      onExit(await runTag(images, options, io));
    });
};
