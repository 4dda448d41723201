import { Command } from 'commander';
import { withMaxErrors } from '../image-run.ts';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withInputOptions, withTarOptions } from '../options/input-options.ts';
import { withLabelOptions, withScoreOptions } from '../options/label-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { withOutputOptions } from '../options/output-options.ts';
import { withServerOptions } from '../options/server-options.ts';
import { withPartsOptions } from '../parts/options.ts';
import type { ClassifyOptions } from './settings.ts';

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify photos/ --labels-file labels.txt --threshold 0.5 --format csv
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('classify').description('rank labels for each image (the default command)');
  withTarOptions(withInputOptions(command)).option(
    '--from <file>',
    'rank stored embeddings instead of images: a .npy, .parquet or .jsonl file that embed wrote',
  );
  withExplainOptions(withMaxErrors(withPartsOptions(withOutputOptions(withScoreOptions(withLabelOptions(command))))));
  return withMessageOptions(
    withServerOptions(withCacheOptions(withModelOptions(command))),
    io,
    'the provider, the number of skipped files and ',
  )
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions, given: Command) => {
      const { classify } = await import('./run.ts');
      onExit(await classify(images, { ...options, isGiven: (name) => given.getOptionValueSource(name) === 'cli' }, io));
    });
};

function withExplainOptions(command: Command): Command {
  return command
    .option(
      '--explain <file.png>',
      'also write a heat map: the similarity of each image patch to a label (one image only)',
    )
    .option('--explain-label <label>', 'label of the heat map of --explain (default: the first label)');
}
