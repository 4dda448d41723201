import { Command } from 'commander';
import { ModelError } from '../../errors.ts';
import { findPulled, readPins } from '../../model/pins.ts';
import { throwDamage, verifyPin } from '../../model/verify.ts';
import type { Io } from '../io.ts';
import { examples, print } from './print.ts';

export const verifyCommand = (io: Io) =>
  new Command('verify')
    .description('hash every file of pulled models again and compare with what was pinned')
    .argument('[model]', 'a pulled model (default: all of them)')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('verify', 'verify clip-vit-b-32 --json'))
    .action(async (model: string | undefined, { json }: { json?: true }) => {
      const pins = model === undefined ? [...(await readPins(io.env))] : [await pulled(model, io.env)];
      const checked = await Promise.all(pins.map(async ([name, pin]) => ({ name, pin, files: await verifyPin(pin) })));
      const report = checked.map(({ name, pin, files }) => ({
        name,
        repo: pin.repo,
        commit: pin.commit,
        good: files.every(({ state }) => state === 'good'),
        files: files.map(({ path, state, expected, actual }) => ({ path, state, expected, actual })),
      }));
      const text = report.map(
        ({ name, good, files }) => `${name}: ${good ? `${files.length} files as pulled` : 'DAMAGED'}\n`,
      );
      await print(io, json, report, text.join('') || 'nothing has been pulled\n');
      for (const { name, pin, files } of checked) throwDamage(name, pin, files);
    });

async function pulled(model: string, env: Io['env']) {
  const found = await findPulled(model, env);
  if (found !== undefined) return found;
  throw new ModelError(
    `${model} is no pulled model: there is nothing to compare it with`,
    'clip-classify models list shows what is',
  );
}
