import { Command } from 'commander';
import { inCache } from '../../disk/cache-files.ts';
import { ModelError, UsageError } from '../../errors.ts';
import { CachedRepo } from '../../hub/cache.ts';
import { findPulled, readPins, updatePins } from '../../hub/pins.ts';
import { pinnedFolder } from '../../hub/verify.ts';
import { removeConverted } from '../../model/converted-weights.ts';
import { chosenModel, setDefaultModel } from '../../model/default-model.ts';
import { findImport, removeImport } from '../../model/imports.ts';
import { STARTER } from '../../model/starter.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { examples, print } from './print.ts';

export const rmCommand = (io: Io) =>
  new Command('rm')
    .description(
      'remove a model: delete its ONNX graphs, its converted weights, and its downloaded files from the Hugging Face cache',
    )
    .argument('<model>', 'name of an imported or downloaded model')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('rm my-clip', 'rm clip-vit-b-32'))
    .action(async (model: string, { json }: { json?: true }) => {
      if (model === STARTER)
        throw new UsageError(
          'starter is part of the package and cannot be removed',
          'name an imported or downloaded model',
        );
      const [name = model, pin] = (await findPulled(model, io.env)) ?? [];
      const source =
        pin === undefined ? (await findImport(name, io.env).catch(() => undefined))?.source : pinnedFolder(pin);
      // First, because without the model these files could not be found if the run ends here.
      if (source !== undefined) await removeConverted(source, io.env);
      if (pin !== undefined) {
        const others = [...(await readPins(io.env))].filter(([other]) => other !== name).map(([, one]) => one);
        const same = others.filter(
          ({ cache, repo, commit }) => cache === pin.cache && repo === pin.repo && commit === pin.commit,
        );
        const shared = new Set(same.flatMap(({ files }) => Object.keys(files)));
        const files = Object.keys(pin.files).filter((file) => !shared.has(file));
        await inCache(pin.cache, 'HF_HUB_CACHE', () => new CachedRepo(pin.cache, pin.repo).remove(pin.commit, files));
        await updatePins(io.env, (pins) => pins.delete(name));
      }
      const imported = await removeImport(name, io.env);
      if (pin === undefined && !imported)
        throw new ModelError(
          `${model} is not an imported or downloaded model`,
          'run clip-classify models list to see the models',
        );
      if (chosenModel(io.env) === name) {
        await setDefaultModel(undefined, io.env);
        say(io, 'warning', `${name} was the default model; the default is now ${STARTER}`);
      }
      await print(io, json, { removed: name, imported, pulled: pin !== undefined }, `removed ${name}\n`);
    });
