import { Command } from 'commander';
import { type KnownModel, knownModels } from '../../model/known.ts';
import { columns } from '../../output/columns.ts';
import type { Io } from '../io.ts';
import { examples, megabytes, print } from './print.ts';

export const listCommand = (io: Io) =>
  new Command('list')
    .description('list the models that --model accepts, and the models that "models pull" can download')
    .option('--json', 'print JSON with all fields of the model cards')
    .addHelpText('after', examples('list', 'list --json | jq -r ".[] | select(.state != \\"known\\").name"'))
    .action(async ({ json }: { json?: true }) => {
      const models = await knownModels(io.env);
      const rows = [['name', 'state', 'size', 'input', 'top-1', 'speed', 'licence', ''], ...models.map(rowOf)];
      const fast = models.filter(
        ({ pullable, speed, pull }) => pullable === true && speed === 'fast' && pull !== undefined,
      );
      const [next = models.at(-1)] = fast.sort((a, b) => (b.top1 ?? 0) - (a.top1 ?? 0));
      const how = next?.pull === undefined ? '' : `\nDownload a model: ${next.pull}\n`;
      await print(io, json, models, `${columns(rows, 'llrrrlll')}${how}`);
    });

function rowOf(model: KnownModel): string[] {
  const { name, state, size, download, inputSize, top1, speed = '', licence = '', title = '', pullable } = model;
  const bytes = size ?? download;
  return [
    name,
    pullable === false ? 'no weights known' : state,
    bytes === undefined ? '' : megabytes(bytes),
    inputSize === undefined ? '' : `${inputSize} px`,
    top1 === undefined ? '' : `${(top1 * 100).toFixed(1)} %`,
    speed,
    licence,
    `${title}${model.default ? ' (default)' : ''}`.trim(),
  ];
}
