import { type Command, Option } from 'commander';
import type { ClassifierOptions } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import { labelSet, promptedLabels } from '../../text/label-sets.ts';
import { type Label, splitLabels } from '../../text/labels.ts';
import type { InputOptions } from './input-options.ts';
import { collect, collectOne, share, wholeNumber } from './values.ts';

/** The labels and their prompts. */
export interface LabelOptions {
  readonly labels?: readonly string[];
  readonly labelsFile?: readonly string[];
  readonly template?: readonly string[];
  readonly about?: string;
  readonly level?: number;
}

/** When a label is accepted. */
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
    .hook('preAction', (_, action) => requireOneReader(action.args, action.opts()))
    .optionsGroup('Labels:')
    .option(
      '-l, --labels <list>',
      'labels to choose from, separated by commas; @name is a ready-made set, @file.clf.json a learned classifier; repeatable',
      collect(splitLabels),
    )
    .option(
      '--labels-file <file>',
      'read labels from a file: .txt (one per line), .json, .jsonl, .yaml, .csv or .tsv, or - for standard input; repeatable',
      collectOne,
    )
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> for the label, or the name of a template set; repeatable (default: photo, or the templates of the label set)',
      collectOne,
    )
    .option(
      '--about <domain>',
      'say in the prompts what the labels are: with "food", templates end in ", a type of food"',
    )
    .option(
      '--level <n>',
      'if labels have parents, rank the labels of this level: 1 is the widest (default: the deepest label that reaches --threshold)',
      wholeNumber(100),
    );
}

/** Standard input can be read once. @throws UsageError */
function requireOneReader(
  args: readonly string[],
  options: LabelOptions & Pick<InputOptions, 'filesFrom' | 'tar'>,
): void {
  const named = [...args, ...(options.labelsFile ?? []), ...(options.tar ?? []), options.filesFrom ?? ''];
  if (named.filter((one) => one === '-' || one === '/dev/stdin').length > 1)
    throw new UsageError('standard input is used twice', 'read the labels, the list or the image from a file');
}

/** The options of {@link ScoreOptions}. */
export function withScoreOptions(command: Command): Command {
  return withRefusalOptions(command).option(
    '--multi-label',
    'score each label independently; an image can have several labels (default threshold: 0.5)',
  );
}

/** The options that can only reject a label. */
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

/** The labels of --labels, with those of label sets, then the labels of the files. @throws LabelsError */
export async function givenLabels({
  labels = [],
  labelsFile = [],
  template,
  about,
}: LabelOptions): Promise<(string | Label)[]> {
  const files = await Promise.all(
    labelsFile.map(async (path) => (await import('../../text/labels-file.ts')).readLabelsFile(path)),
  );
  const listed = labels.flatMap((label): readonly (string | Label)[] => {
    if (!isSet(label)) return [label];
    const set = labelSet(label.trim());
    return template === undefined ? promptedLabels(set, about) : set.labels;
  });
  return [...listed, ...files.flat()];
}

function isSet(label: string): boolean {
  return label.trim().startsWith('@');
}

/** The prompts of the background class: those of the label sets, or the neutral ones. */
function backgroundOf(labels: readonly string[]): true | readonly string[] {
  const prompts = labels
    .filter((label) => isSet(label) && !isLearnedFile(label))
    .flatMap((label) => labelSet(label.trim()).background ?? []);
  return prompts.length === 0 ? true : prompts;
}

/** The options of the library. */
export function classifierOptions(options: LabelOptions & ScoreOptions): ClassifierOptions {
  const { labels = [], template, about, level, threshold, minMargin, multiLabel } = options;
  const { background, backgroundPrompt = [], nonePrompt = [] } = options;
  const nonePrompts = [...backgroundPrompt, ...nonePrompt];
  return {
    ...(template && { templates: template }),
    ...(about !== undefined && { about }),
    ...(level !== undefined && { level }),
    ...(background !== undefined && { none: background && backgroundOf(labels) }),
    ...(nonePrompts.length > 0 && { nonePrompts }),
    ...(threshold !== undefined && { threshold }),
    ...(minMargin !== undefined && { minMargin }),
    ...(multiLabel !== undefined && { multiLabel }),
  };
}

/** Whether a path names a learned classifier. */
export function isLearnedFile(path: string): boolean {
  return /\.clf\.json$/iu.test(path);
}
