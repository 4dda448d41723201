import { Command, Option } from 'commander';
import { type LabelSet, labelSet } from '../../text/label-sets.ts';
import { labelTree } from '../../text/label-tree.ts';
import { checkLabels } from '../../text/labels.ts';
import type { Io } from '../io.ts';
import { print } from '../models/print.ts';

const EXAMPLES = `
The json format is a labels file: change it and give it to --labels-file.

Examples:
  $ clip-classify labels show photos
  $ clip-classify labels show photos -f json > mine.json`;

export const showCommand = (io: Io) =>
  new Command('show')
    .description('show the labels of a ready-made set')
    .argument('<set>', 'name of the set, such as photos')
    .addOption(
      new Option('-f, --format <format>', 'text shows labels below their parents; json is a labels file')
        .choices(['text', 'json'])
        .default('text'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, { format }: { format: 'text' | 'json' }) => {
      const set = labelSet(name);
      await print(io, format === 'json' ? true : undefined, set.labels, textOf(set));
    });

/** The labels, each below its parent. */
function textOf({ title, source, licence, templates, background, labels }: LabelSet): string {
  const { nodes, parents } = labelTree(checkLabels(labels));
  const below = (parent: number, depth: number): string[] =>
    nodes.flatMap(({ label, aliases = [] }, n) => {
      if (parents[n] !== parent) return [];
      const also = aliases.length > 0 ? ` (${aliases.join(', ')})` : '';
      return [`${'  '.repeat(depth)}${label}${also}`, ...below(n, depth + 1)];
    });
  return [
    `# ${title}`,
    `# source: ${source}`,
    `# licence: ${licence}`,
    `# templates: ${templates.join(' | ')}`,
    ...(background ? [`# background: ${background.join(' | ')}`] : []),
    ...below(-1, 0),
    '',
  ].join('\n');
}
