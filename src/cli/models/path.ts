import { Command } from 'commander';
import { findModel } from '../../model/find.ts';
import type { Io } from '../io.ts';
import { examples, print } from './print.ts';

export const pathCommand = (io: Io) =>
  new Command('path')
    .description("print the folder of a model's checkpoint, config and tokenizer")
    .argument('<model>', 'name or folder of a model')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('path starter', 'path clip-vit-b-32 --json'))
    .action(async (model: string, { json }: { json?: true }) => {
      const location = await findModel(model, io.env);
      await print(io, json, location, `${location.folder}\n`);
    });
