import { Command, InvalidArgumentError, Option } from 'commander';
import { EVALUATION_FORMATS } from '../../output/evaluation.ts';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withWalkOptions } from '../options/input-options.ts';
import { withLabelOptions, withRefusalOptions } from '../options/label-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { anyNumber, collectOne } from '../options/values.ts';
import type { EvalOptions } from './options.ts';

const EXAMPLES = `
The labels are the class names, unless --labels or --labels-file is given.

Examples:
  $ clip-classify eval photos/                                  # photos/cat/1.jpg, photos/dog/2.jpg, …
  $ clip-classify eval truth.csv -o report.html -o report.json  # a header path,label and a line per image`;

export const evalCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('eval')
    .description('measure accuracy on labelled images, with an HTML report')
    .argument('<folder|truth.csv>', 'folder with one subfolder per class, or CSV file with the columns path and label');
  withWalkOptions(command)
    .option('--image-column <name>', 'column of the CSV with the paths of the images (default: path)')
    .option('--label-column <name>', 'column of the CSV with the labels (default: label)');
  return withMessageOptions(
    withCacheOptions(withModelOptions(withRefusalOptions(withLabelOptions(command))))
      .optionsGroup('Output:')
      .addOption(
        new Option('-f, --format <format>', 'output format (default: table on a terminal, else json)').choices(
          EVALUATION_FORMATS,
        ),
      )
      .option(
        '-o, --output <file>',
        'also write a report (.html or .json) or every prediction (.csv); with --calibrate a labels file (.json); repeatable',
        collectOne,
      )
      .option('--compare <report.json>', 'compare with the JSON report of another run on the same images')
      .option('--calibrate', 'suggest thresholds: choose them on half of the images, test them on the other half')
      .option('--precision <p>', 'target precision of --calibrate, above 0 and at most 1 (default: 0.95)', precision),
    io,
  )
    .addHelpText('after', EXAMPLES)
    .action(async (source: string, options: EvalOptions) => {
      // Loaded here, so that the start of other commands does not take longer.
      const { runEval } = await import('./run.ts');
      onExit(await runEval(source, options, io));
    });
};

function precision(text: string): number {
  const value = anyNumber(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('use a number above 0 and at most 1.');
}
