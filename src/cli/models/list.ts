import { Command } from 'commander';
import { knownModels } from '../../model/known.ts';
import type { Io } from '../io.ts';
import { examples, print } from './print.ts';

export const listCommand = (io: Io) =>
  new Command('list')
    .description('list the models that --model accepts, and the models that "models pull" can download')
    .option('--json', 'print JSON with all fields of the model cards')
    .addHelpText('after', examples('list', 'list --json | jq -r ".[] | select(.state != \\"known\\").name"'))
    .action(async ({ json }: { json?: true }) => {
      const models = await knownModels(io.env);
      const width = Math.max(...models.map(({ name }) => name.length));
      const lines = models.map(({ name, state, default: chosen, title }) =>
        `${name.padEnd(width)}  ${state.padEnd(8)}  ${title ?? ''}${chosen ? ' (default)' : ''}`.trimEnd(),
      );
      await print(io, json, models, `${lines.join('\n')}\n`);
    });
