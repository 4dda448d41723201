import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Env } from '../disk/environment.ts';
import { CacheError, ModelError, UsageError } from '../errors.ts';
import { looksLikeRepo } from '../hub/names.ts';
import { nearNames } from '../hub/near-names.ts';
import { readPins } from '../hub/pins.ts';
import { findCard, modelCards } from '../hub/registry.ts';
import { findIntact } from '../hub/verify.ts';
import { findImport, importNames } from './imports.ts';
import { intactStarter, STARTER } from './starter.ts';

/** Where the files of a model are. */
export interface ModelLocation {
  readonly name: string;
  /** The folder of the checkpoint, its config and its tokenizer. */
  readonly folder: string;
  /** For an imported model: the folder that the import wrote. */
  readonly imported?: string;
  /** For a downloaded model: its repository on the Hub. */
  readonly repo?: string;
}

/**
 * Finds a model by its name (the starter, an imported or a downloaded model, also by its alias or repository) or by its folder.
 * Nothing is downloaded. The starter and a downloaded model are refused if their files have changed.
 *
 * @throws ModelError saying what to pull, or listing the known names; ChecksumError if the starter or a downloaded model has changed
 */
export async function findModel(nameOrFolder: string, env?: Env): Promise<ModelLocation> {
  if (nameOrFolder === '') throw new UsageError('the model name is empty', 'use a model name or a folder');
  if (nameOrFolder === STARTER) return { name: STARTER, folder: await intactStarter(env) };
  const pulled = await findIntact(nameOrFolder, env).catch(unlessFolder(nameOrFolder));
  const imported = await findImport(pulled?.name ?? nameOrFolder, env).catch(unlessFolder(nameOrFolder));
  if (imported !== undefined)
    return { name: nameOrFolder, ...pulled, folder: imported.source, imported: imported.folder };
  return pulled ?? (await findFolder(nameOrFolder)) ?? refuseUnknown(nameOrFolder, env);
}

/** If the cache cannot be read, a folder of the user is still found. */
function unlessFolder(path: string): (error: unknown) => Promise<undefined> {
  return async (error) => {
    const info = await stat(path).catch(() => undefined);
    if (!(error instanceof CacheError) || !info?.isDirectory()) throw error;
    return undefined;
  };
}

async function findFolder(path: string): Promise<ModelLocation | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return undefined;
  if (info.isDirectory()) return { name: basename(resolve(path)), folder: resolve(path) };
  throw new ModelError(
    `${path} is not a model folder`,
    'use the folder that contains model.safetensors and config.json',
  );
}

/** @throws ModelError with the next step that fits */
async function refuseUnknown(text: string, env: Env | undefined): Promise<never> {
  const known = (await findCard(text))?.name ?? (looksLikeRepo(text) ? text : undefined);
  if (known !== undefined) {
    throw new ModelError(`${text} is not downloaded`, `run clip-classify models pull ${known}`);
  }
  if (/^(\.{0,2}|~|[A-Za-z]:)[/\\]/u.test(text))
    throw new ModelError(`there is no folder ${text}`, 'check the path of the model');
  const near = await nearNames(text);
  if (near.length > 0)
    throw new ModelError(
      `there is no model or folder called ${text}`,
      `did you mean ${near.join(' or ')}? Run clip-classify models pull ${near[0]}`,
    );
  const cards = (await modelCards()).map(({ name: card }) => card);
  throw new ModelError(
    `there is no model or folder called ${text}`,
    `use ${(await modelNames(env)).join(', ')}, or download one of these with clip-classify models pull: ${cards.join(', ')}`,
  );
}

/** The names that {@link findModel} finds: the starter, imported models and downloaded models. */
export async function modelNames(env?: Env): Promise<string[]> {
  const names = new Set([...(await importNames(env)), ...(await readPins(env)).keys()]);
  return [STARTER, ...[...names].sort()];
}
