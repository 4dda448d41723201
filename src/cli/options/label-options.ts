import { type Command, Option } from 'commander';
import type { ClassifierOptions } from '../../classifier.ts';
import { type Label, splitLabels } from '../../text/labels.ts';
import { collect, collectOne, share } from './values.ts';

/** The labels and their prompts. */
export interface LabelOptions {
  readonly labels?: readonly string[];
  readonly labelsFile?: readonly string[];
  readonly template?: readonly string[];
}

/** When an image has a label. */
export interface ScoreOptions {
  readonly background?: boolean;
  readonly backgroundPrompt?: readonly string[];
  /** The older name of `--background-prompt`. */
  readonly nonePrompt?: readonly string[];
  readonly threshold?: number;
  readonly minMargin?: number;
  readonly multiLabel?: boolean;
}

/** The options of {@link LabelOptions}. */
export function withLabelOptions(command: Command): Command {
  return command
    .optionsGroup('Labels:')
    .option('-l, --labels <list>', 'labels to choose from, separated by commas; repeatable', collect(splitLabels))
    .option(
      '--labels-file <file>',
      'read labels from a file: .txt (one per line), .json, .jsonl, .yaml, .csv or .tsv, or - for standard input; repeatable',
      collectOne,
    )
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> for the label, or the name of a template set; repeatable (default: photo)',
      collectOne,
    );
}

/** The options of {@link ScoreOptions}. */
export function withScoreOptions(command: Command): Command {
  return withRefusalOptions(command).option(
    '--multi-label',
    'score each label independently; an image can have several labels (default threshold: 0.5)',
  );
}

/** The options that can only take a label away. */
export function withRefusalOptions(command: Command): Command {
  return command
    .optionsGroup('Scores:')
    .option('--background', 'add a background class made of neutral prompts; an image that fits it best gets no label')
    .option('--background-prompt <text>', 'add a background class with this prompt; repeatable', collectOne)
    .addOption(new Option('--none', 'older name of --background').implies({ background: true }).hideHelp())
    .addOption(new Option('--none-prompt <text>', 'older name of --background-prompt').argParser(collectOne).hideHelp())
    .option('--threshold <p>', 'give no label if the best score is below p (0 to 1)', share)
    .option('--min-margin <p>', 'give no label if the best score leads the second-best by less than p (0 to 1)', share);
}

/** Labels of the options, then those of the files. @throws LabelsError */
export async function givenLabels({ labels = [], labelsFile = [] }: LabelOptions): Promise<(string | Label)[]> {
  const files = await Promise.all(
    labelsFile.map(async (path) => (await import('../../text/labels-file.ts')).readLabelsFile(path)),
  );
  return [...labels, ...files.flat()];
}

/** The options as the library takes them. */
export function classifierOptions(options: LabelOptions & ScoreOptions): ClassifierOptions {
  const { template, background, backgroundPrompt = [], nonePrompt = [], threshold, minMargin, multiLabel } = options;
  const nonePrompts = [...backgroundPrompt, ...nonePrompt];
  return {
    ...(template && { templates: template }),
    ...(background !== undefined && { none: background }),
    ...(nonePrompts.length > 0 && { nonePrompts }),
    ...(threshold !== undefined && { threshold }),
    ...(minMargin !== undefined && { minMargin }),
    ...(multiLabel !== undefined && { multiLabel }),
  };
}
