import { Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withWalkOptions } from '../options/input-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { collectOne } from '../options/values.ts';
import type { LearnCommandOptions } from './run.ts';

const EXAMPLES = `
Examples:
  $ clip-classify learn photos/ -o kinds.clf.json            # photos/good/1.jpg, photos/bad/2.jpg, …
  $ clip-classify new/ --labels @kinds.clf.json              # use the classifier
  $ clip-classify learn kinds.clf.json --add more/           # add images or classes; the old images are not needed`;

export const learnCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('learn')
    .description('learn a classifier from a few labelled images')
    .argument(
      '<folder|truth.csv|file.clf.json>',
      'a folder with one folder for each class, a CSV with the columns path and label, or a classifier to change',
    );
  withWalkOptions(command)
    .optionsGroup('Learning:')
    .option('--no-text', 'learn from the images alone; the words of the classes are not used')
    .option('--force', 'write the file even if learning does not help')
    .option('--add <folder|csv>', 'add these images to the classifier; repeatable', collectOne)
    .option('--remove <class>', 'remove this class from the classifier; repeatable', collectOne)
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> for the label, or the name of a template set; repeatable (default: photo)',
      collectOne,
    )
    .optionsGroup('Output:')
    .option('-o, --output <file.clf.json>', 'write the classifier to this file')
    .option(
      '--export <head.onnx|whole.onnx>',
      'also write the classifier as an ONNX graph: head.onnx takes embeddings, whole.onnx takes pixels; repeatable',
      collectOne,
    )
    .addOption(new Option('-f, --format <format>', 'format of the report').choices(['text', 'json']).default('text'));
  return withMessageOptions(withCacheOptions(withModelOptions(command)), io)
    .addHelpText('after', EXAMPLES)
    .action(async (source: string, options: LearnCommandOptions) => {
      const { runLearn } = await import('./run.ts');
      onExit(await runLearn(source, options, io));
    });
};
