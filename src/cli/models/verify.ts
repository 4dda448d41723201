import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import type { CheckedFile } from '../../disk/digest.ts';
import { ChecksumError, ModelError, UsageError } from '../../errors.ts';
import { findPulled, type Pin, readPins } from '../../hub/pins.ts';
import { pullModel } from '../../hub/pull.ts';
import { pinnedFolder, throwDamage, verifyPin } from '../../hub/verify.ts';
import { verifyConverted } from '../../model/converted-weights.ts';
import { defaultModel } from '../../model/default-model.ts';
import { modelNames } from '../../model/find.ts';
import { findImport, verifyImport } from '../../model/imports.ts';
import { refuseDamaged, STARTER, verifyStarter } from '../../model/starter.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { prepare } from './prepare.ts';
import { examples, print } from './print.ts';
import { verifyReference } from './verify-reference.ts';

export const verifyCommand = (io: Io) =>
  new Command('verify')
    .description('check built-in, downloaded, imported and converted model files against their recorded checksums')
    .argument('[model]', 'name of the starter, or of a downloaded or imported model (default: all of them)')
    .option('--repair', 'download damaged files of downloaded models again, and delete damaged converted weights')
    .option('--reference', 'run fixed pictures and texts through a model (name or folder); compare with PyTorch')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('verify', 'verify clip-vit-b-32 --repair', 'verify --reference starter'))
    .action(async (model: string | undefined, { json, repair, reference }: VerifyOptions) => {
      if (reference && repair) throw new UsageError('--reference does not work with --repair', 'remove one of them');
      if (reference) return verifyReference(model ?? defaultModel(io.env), json, io);
      const names = await modelNames(io.env);
      const wanted = model === undefined ? names : [await nameOf(model, names, io.env)];
      const pins = await readPins(io.env);
      const examine = (name: string) => check(name, pins.get(name), io.env);
      let report = await Promise.all(wanted.map(examine));
      if (repair) {
        for (const checked of report) if (!checked.good) await mend(checked, pins.has(checked.name), io);
        report = await Promise.all(wanted.map(examine));
      }
      const text = report.map(
        ({ name, good, files, graphs, weights }) =>
          `${name}: ${good ? `${files.length + graphs.length + weights.length} files are intact` : 'DAMAGED'}\n`,
      );
      await print(io, json, report, text.join(''));
      for (const checked of report) refuseDamage(checked, pins.get(checked.name));
    });

interface VerifyOptions {
  readonly json?: true;
  readonly repair?: true;
  readonly reference?: true;
}

/** A model and the state of its files. */
interface Checked {
  readonly name: string;
  readonly repo?: string;
  readonly commit?: string;
  readonly good: boolean;
  /** Files of the package, downloaded files, or the source of an import. */
  readonly files: readonly CheckedFile[];
  /** Files that an import wrote. */
  readonly graphs: readonly CheckedFile[];
  /** Converted weights. */
  readonly weights: readonly CheckedFile[];
}

/** Repairs a model if this tool can: an imported model cannot be repaired. */
async function mend({ name, weights }: Checked, isPulled: boolean, io: Io): Promise<void> {
  for (const { path, state } of weights) if (state !== 'good') await rm(path, { force: true });
  if (!isPulled) return;
  const onWarning = (message: string) => say(io, 'warning', message);
  say(io, 'note', `${name} is damaged; its damaged files are downloaded again`);
  await prepare(await pullModel(name, { force: true, env: io.env, onWarning }), io, onWarning);
}

async function check(name: string, pin: Pin | undefined, env: Io['env']): Promise<Checked> {
  const { graphs, sources } = await verifyImport(name, env);
  const files = [...(await ownFiles(name, pin)), ...sources];
  const folder = pin === undefined ? await importedFolder(name, env) : pinnedFolder(pin);
  // The converted weights of a damaged checkpoint need no check.
  const isRead = folder !== undefined && files.every(({ state }) => state === 'good');
  const weights = isRead ? await verifyConverted(folder, env) : [];
  const good = [...files, ...graphs, ...weights].every(({ state }) => state === 'good');
  return { name, ...(pin && { repo: pin.repo, commit: pin.commit }), good, files, graphs, weights };
}

async function ownFiles(name: string, pin: Pin | undefined): Promise<CheckedFile[]> {
  if (pin !== undefined) return (await verifyPin(pin)).map(({ stamp, ...file }) => file);
  return name === STARTER ? verifyStarter() : [];
}

/** @throws ChecksumError for a missing or damaged file */
function refuseDamage({ name, files, graphs, weights }: Checked, pin: Pin | undefined): void {
  if (pin !== undefined) throwDamage(name, pin, files);
  if (name === STARTER) refuseDamaged(files);
  const again =
    pin === undefined
      ? `run clip-classify models import <folder> --name ${name} again`
      : `run clip-classify models verify ${name} --repair`;
  refuse(files, `since ${name} was imported`, `restore the file, or ${again}`);
  refuse(weights, 'since it was written', 'delete the file; it is written again when it is needed');
  refuse(graphs, `since ${name} was imported`, again);
}

function refuse(files: readonly CheckedFile[], since: string, nextStep: string): void {
  const damaged = files.find(({ state }) => state !== 'good');
  if (damaged === undefined) return;
  const fact = damaged.state === 'missing' ? 'is missing' : `has changed ${since}`;
  throw new ChecksumError(`${damaged.path} ${fact}`, nextStep);
}

/** The graphs of an import are also checked if its checkpoint is missing. */
async function importedFolder(name: string, env: Io['env']): Promise<string | undefined> {
  return (await findImport(name, env).catch(() => undefined))?.source;
}

async function nameOf(model: string, names: readonly string[], env: Io['env']): Promise<string> {
  const name = (await findPulled(model, env))?.[0] ?? model;
  if (names.includes(name)) return name;
  throw new ModelError(
    `${model} is not the starter, nor a downloaded or imported model, so there are no checksums to compare with`,
    'run clip-classify models list to see the models',
  );
}
