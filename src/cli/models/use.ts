import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { setDefaultModel } from '../../model/default-model.ts';
import { describeModel } from '../../model/describe.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { examples, print } from './print.ts';

export const useCommand = (io: Io) =>
  new Command('use')
    .description('set the default model; CLIP_CLASSIFY_MODEL and --model take precedence')
    .argument('<model>', 'name or folder of a model')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('use clip-vit-b-32', 'use starter'))
    .action(async (model: string, { json }: { json?: true }) => {
      const { name, folder } = await describeModel(model, { env: io.env });
      const isFolder = resolve(model) === folder && (await stat(folder)).isDirectory();
      await setDefaultModel(isFolder ? folder : name, io.env);
      const shadow = io.env['CLIP_CLASSIFY_MODEL'];
      if (shadow) say(io, 'warning', `CLIP_CLASSIFY_MODEL is set to ${shadow} and takes precedence`);
      await print(io, json, { default: name, folder }, `${name} is now the default model\n`);
    });
