import { Command } from 'commander';
import { columns } from '../../output/columns.ts';
import { labelSet, labelSetNames } from '../../text/label-sets.ts';
import { labelTree } from '../../text/label-tree.ts';
import { checkLabels } from '../../text/labels.ts';
import type { Io } from '../io.ts';
import { print } from '../models/print.ts';

const EXAMPLES = `
Examples:
  $ clip-classify labels list
  $ clip-classify labels list --json | jq -r ".[].name"`;

export const listCommand = (io: Io) =>
  new Command('list')
    .description('list the ready-made label sets that --labels @name accepts')
    .option('--json', 'print JSON, with source and licence')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: true }) => {
      const sets = labelSetNames().map((name) => {
        const { labels, ...set } = labelSet(name);
        const { leaves, nodes } = labelTree(checkLabels(labels));
        return { ...set, labels: leaves.length, parents: nodes.length - leaves.length };
      });
      const rows = sets.map(({ name, labels, parents, licence, title }) => [
        `@${name}`,
        String(labels),
        parents === 0 ? '' : String(parents),
        licence,
        title,
      ]);
      await print(io, json, sets, columns([['set', 'labels', 'parents', 'licence', ''], ...rows], 'lrrll'));
    });
