import type { Command } from 'commander';
import type { ClassifierOptions } from '../../classifier.ts';
import { type Label, splitLabels } from '../../text/labels.ts';
import { collect, collectOne, share } from './values.ts';

/** What the images might show, and how it is put into words. */
export interface LabelOptions {
  readonly labels?: readonly string[];
  readonly labelsFile?: readonly string[];
  readonly template?: readonly string[];
}

/** When an image has a label. */
export interface ScoreOptions {
  readonly none?: boolean;
  readonly nonePrompt?: readonly string[];
  readonly threshold?: number;
  readonly minMargin?: number;
  readonly multiLabel?: boolean;
}

/** The options of {@link LabelOptions}. */
export function withLabelOptions(command: Command): Command {
  return command
    .optionsGroup('Labels:')
    .option('-l, --labels <list>', 'what the images might show, comma separated; repeatable', collect(splitLabels))
    .option('--labels-file <file>', 'more labels: .txt (one a line), .json or .csv; repeatable', collectOne)
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> in it, or a template set; repeatable (default: photo)',
      collectOne,
    );
}

/** The options of {@link ScoreOptions}. */
export function withScoreOptions(command: Command): Command {
  return withRefusalOptions(command).option(
    '--multi-label',
    'score each label on its own: several may hold (threshold: 0.5)',
  );
}

/** Those that can only take a label away. */
export function withRefusalOptions(command: Command): Command {
  return command
    .optionsGroup('Scores:')
    .option('--none', 'no label where a background of neutral prompts comes first')
    .option('--none-prompt <text>', 'the same for a background of your own; repeatable', collectOne)
    .option('--threshold <p>', 'no label where the best scores less, 0 to 1', share)
    .option('--min-margin <p>', 'no label where the best is not so much above the second, 0 to 1', share);
}

/** Labels of the options, then those of the files. @throws LabelsError */
export async function givenLabels({ labels = [], labelsFile = [] }: LabelOptions): Promise<(string | Label)[]> {
  const files = await Promise.all(
    labelsFile.map(async (path) => (await import('../../text/labels-file.ts')).readLabelsFile(path)),
  );
  return [...labels, ...files.flat()];
}

/** What the options say to a classifier. */
export function classifierOptions(options: LabelOptions & ScoreOptions): ClassifierOptions {
  const { template, none, nonePrompt, threshold, minMargin, multiLabel } = options;
  return {
    ...(template && { templates: template }),
    ...(none !== undefined && { none }),
    ...(nonePrompt && { nonePrompts: nonePrompt }),
    ...(threshold !== undefined && { threshold }),
    ...(minMargin !== undefined && { minMargin }),
    ...(multiLabel !== undefined && { multiLabel }),
  };
}
