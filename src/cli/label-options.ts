import type { Command } from 'commander';
import { readLabelsFile, splitLabels } from '../text/labels.ts';
import { collect, collectOne } from './options.ts';

/** What the images might show, and how it is put into words. */
export interface LabelOptions {
  readonly labels?: readonly string[];
  readonly labelsFile?: readonly string[];
  readonly template?: readonly string[];
}

/** The options of {@link LabelOptions}. */
export function withLabelOptions(command: Command): Command {
  return command
    .option('-l, --labels <list>', 'what the images might show, comma separated; repeatable', collect(splitLabels))
    .option('--labels-file <file>', 'more labels, one a line; repeatable', collectOne)
    .option(
      '-t, --template <text|set>',
      'prompt template with {} or <label> in it, or a template set; repeatable (default: photo)',
      collectOne,
    );
}

/** Labels of the options, then those of the files. */
export async function givenLabels({ labels = [], labelsFile = [] }: LabelOptions): Promise<string[]> {
  const files = await Promise.all(labelsFile.map(readLabelsFile));
  return labels.concat(...files);
}
