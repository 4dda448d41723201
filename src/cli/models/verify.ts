import { Command } from 'commander';
import { ChecksumError, ModelError } from '../../errors.ts';
import { findPulled, readPins } from '../../hub/pins.ts';
import { pinnedFolder, throwDamage, verifyPin } from '../../hub/verify.ts';
import { verifyConverted } from '../../model/converted-weights.ts';
import { findImport, STARTER, verifyImport } from '../../model/imports.ts';
import { modelNames } from '../../model/store.ts';
import type { Io } from '../io.ts';
import { examples, print } from './print.ts';

export const verifyCommand = (io: Io) =>
  new Command('verify')
    .description('check downloaded, imported and converted model files against their recorded checksums')
    .argument('[model]', 'name of a downloaded or imported model (default: all of them)')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('verify', 'verify clip-vit-b-32 --json'))
    .action(async (model: string | undefined, { json }: { json?: true }) => {
      const names = await modelNames(io.env);
      const wanted =
        model === undefined ? names.filter((name) => name !== STARTER) : [await nameOf(model, names, io.env)];
      const report = await Promise.all(wanted.map((name) => check(name, io.env)));
      const text = report.map(
        ({ name, good, files, graphs, weights }) =>
          `${name}: ${good ? `${files.length + graphs.length + weights.length} files are intact` : 'DAMAGED'}\n`,
      );
      await print(io, json, report, text.join('') || 'no model has been downloaded or imported\n');
      const pins = await readPins(io.env);
      for (const { name, files, graphs, weights } of report) {
        const pin = pins.get(name);
        if (pin !== undefined) throwDamage(name, pin, files);
        const weight = weights.find(({ state }) => state !== 'good');
        if (weight !== undefined) {
          throw new ChecksumError(
            `${weight.path} has changed since it was written`,
            'delete the file; it is written again when it is needed',
          );
        }
        const graph = graphs.find(({ state }) => state !== 'good');
        if (graph === undefined) continue;
        const again =
          pin === undefined
            ? `run clip-classify models import <folder> --name ${name} again`
            : `run clip-classify models pull ${name} --force`;
        throw new ChecksumError(`${graph.path} has changed since ${name} was imported`, again);
      }
    });

async function check(name: string, env: Io['env']) {
  const pin = (await readPins(env)).get(name);
  const pulled = pin === undefined ? [] : await verifyPin(pin);
  const graphs = await verifyImport(name, env);
  const files = pulled.map(({ stamp, ...file }) => file);
  const folder = pin === undefined ? await importedFolder(name, env) : pinnedFolder(pin);
  // A pulled checkpoint that is damaged has no weights worth a look.
  const isRead = folder !== undefined && pulled.every(({ state }) => state === 'good');
  const weights = isRead ? await verifyConverted(folder, env) : [];
  const good = [...files, ...graphs, ...weights].every(({ state }) => state === 'good');
  return { name, ...(pin && { repo: pin.repo, commit: pin.commit }), good, files, graphs, weights };
}

/** An import whose checkpoint has gone has its graphs checked all the same. */
async function importedFolder(name: string, env: Io['env']): Promise<string | undefined> {
  return (await findImport(name, env).catch(() => undefined))?.source;
}

async function nameOf(model: string, names: readonly string[], env: Io['env']): Promise<string> {
  const name = (await findPulled(model, env))?.[0] ?? model;
  if (name !== STARTER && names.includes(name)) return name;
  throw new ModelError(
    `${model} is not a downloaded or imported model, so there are no checksums to compare with`,
    'run clip-classify models list to see the models',
  );
}
