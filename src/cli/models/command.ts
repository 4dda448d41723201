import { basename, resolve } from 'node:path';
import { Command } from 'commander';
import { describeCard } from '../../model/blueprint.ts';
import { describeModel } from '../../model/describe.ts';
import { checksumsOf } from '../../model/digest.ts';
import { findModel } from '../../model/find.ts';
import { storeImport } from '../../model/imports.ts';
import { inspection, inspectionJson } from '../../output/inspection.ts';
import type { Io } from '../io.ts';
import { listCommand } from './list.ts';
import { examples, print } from './print.ts';
import { pullCommand } from './pull.ts';
import { rmCommand } from './rm.ts';
import { useCommand } from './use.ts';
import { verifyCommand } from './verify.ts';

export const modelsCommand = (io: Io) => {
  const models = new Command('models')
    .description('list, choose, download, import, inspect, check and remove models')
    .addHelpText('after', examples('list', 'pull ViT-B/32'));

  for (const command of [listCommand, useCommand, pullCommand, verifyCommand, rmCommand])
    models.addCommand(command(io));

  models
    .command('import')
    .description(
      'convert a CLIP checkpoint (model.safetensors, config.json, …) to ONNX graphs; the weights stay in their folder',
    )
    .argument('<folder>', 'folder of the checkpoint, with the file names of Hugging Face')
    .option('--name <name>', 'name of the model (default: the name of the folder)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ clip-classify models import ./clip-vit-base-patch32\n  $ clip-classify photo.jpg -m clip-vit-base-patch32 -l cat,dog',
    )
    .action(async (folder: string, { name = basename(resolve(folder)), json }: { name?: string; json?: true }) => {
      const model = await describeModel(folder && resolve(folder), { env: io.env });
      await model.tokenizer();
      const checksums = await checksumsOf(model, io.env);
      const written = await storeImport(name, { ...model, checksums }, io.env);
      await print(
        io,
        json,
        { name, source: model.folder, folder: written },
        `${name}: ${model.contents.kind === 'checkpoint' ? `image.onnx and text.onnx are in ${written}` : `the ONNX graphs stay in ${model.folder}`}\nclip-classify photo.jpg --model ${name} --labels cat,dog\n`,
      );
    });

  models
    .command('path')
    .description("print the folder of a model's checkpoint, config and tokenizer")
    .argument('<model>', 'name or folder of a model')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('path starter', 'path clip-vit-b-32 --json'))
    .action(async (model: string, { json }: { json?: true }) => {
      const location = await findModel(model, io.env);
      await print(io, json, location, `${location.folder}\n`);
    });

  models
    .command('inspect')
    .description('show the architecture of a model, stage by stage')
    .argument('<model>', 'name or folder of a model')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ clip-classify models inspect starter\n  $ clip-classify models inspect ./clip-vit-base-patch32 --json',
    )
    .action(async (name: string, { json }: { json?: true }) => {
      const model = (await describeCard(name, io.env)) ?? (await describeModel(name, { env: io.env }));
      return print(io, json, inspectionJson(model), inspection(model));
    });

  return models;
};
