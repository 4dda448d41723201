import { Command, InvalidArgumentError, Option } from 'commander';
import { EVALUATION_FORMATS } from '../../output/evaluation.ts';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withWalkOptions } from '../options/input-options.ts';
import { withLabelOptions, withRefusalOptions } from '../options/label-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { anyNumber, collectOne } from '../options/values.ts';
import type { EvalOptions } from './run.ts';

const EXAMPLES = `
The classes are the labels, unless --labels or --labels-file give more of them.

Examples:
  $ clip-classify eval photos/                                  # photos/cat/1.jpg, photos/dog/2.jpg, …
  $ clip-classify eval truth.csv -o report.html -o report.json  # a header path,label and a line per image`;

export const evalCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('eval')
    .description('accuracy on labelled images, with an HTML report')
    .argument('<folder|truth.csv>', 'a folder with a folder per class, or a CSV with the columns path and label');
  return withCacheOptions(withModelOptions(withRefusalOptions(withLabelOptions(withWalkOptions(command)))))
    .optionsGroup('Output:')
    .addOption(
      new Option('-f, --format <format>', 'output format (default: table on a terminal, else json)').choices(
        EVALUATION_FORMATS,
      ),
    )
    .option(
      '-o, --output <file>',
      'also write .html or .json; with --calibrate a labels file, .json; repeatable',
      collectOne,
    )
    .option('--calibrate', 'propose thresholds: chosen on one half of the images, tried on the other')
    .option('--precision <p>', 'precision that --calibrate aims at, above 0, at most 1 (default: 0.95)', precision)
    .optionsGroup('Messages:')
    .option('--quiet', 'no progress, warnings or summary')
    .option('--verbose', 'also show the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (source: string, options: EvalOptions) => {
      // What only eval needs is loaded only by it: the start of other commands does not pay.
      const { runEval } = await import('./run.ts');
      onExit(await runEval(source, options, io));
    });
};

function precision(text: string): number {
  const value = anyNumber(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('a number above 0, at most 1, is needed.');
}
