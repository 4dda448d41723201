import { rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { env as processEnv } from 'node:process';
import { inCache, replaceFile } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { readPlainFileSync } from '../disk/plain-file.ts';
import { CacheError, ModelError, UsageError } from '../errors.ts';
import { looksLikeRepo } from '../hub/names.ts';
import { nearNames } from '../hub/near-names.ts';
import { findPulled, readPins } from '../hub/pins.ts';
import { findCard, modelCards } from '../hub/registry.ts';
import { pinnedFolder, requireIntact } from '../hub/verify.ts';
import { findImport, importNames } from './imports.ts';
import { intactStarter, STARTER } from './starter.ts';

/** Where a model's files are. */
export interface ModelLocation {
  readonly name: string;
  /** The folder of the checkpoint, its config and its tokenizer. */
  readonly folder: string;
  /** The folder that its import wrote, for a model that was imported. */
  readonly imported?: string;
  /** The hub's repository, for a model that was pulled. */
  readonly repo?: string;
}

/** The model to take where none is named: `CLIP_CLASSIFY_MODEL`, else what {@link setDefaultModel} chose, else the starter. */
export function defaultModel(env: Env = processEnv): string {
  return env['CLIP_CLASSIFY_MODEL'] || chosenModel(env) || STARTER;
}

/** Makes a model the default, for this user; undefined makes it the starter again. */
export async function setDefaultModel(nameOrFolder: string | undefined, env?: Env): Promise<void> {
  const path = defaultFile(env);
  const write = () =>
    nameOrFolder === undefined
      ? rm(path, { force: true })
      : replaceFile(path, `${JSON.stringify({ model: nameOrFolder })}\n`);
  await inCache(path, 'CLIP_CLASSIFY_CACHE', write);
}

/** What `models use` chose, if it did. */
export function chosenModel(env: Env = processEnv): string | undefined {
  try {
    const { model } = JSON.parse(readPlainFileSync(defaultFile(env))) as { model?: unknown };
    return typeof model === 'string' ? model : undefined;
  } catch {
    return undefined; // none was chosen
  }
}

function defaultFile(env?: Env): string {
  return join(cacheFolder(env), 'default.json');
}

/**
 * Finds a model by its name (the starter, one that was imported or pulled, an alias or repository of that) or by its
 * folder. Nothing is fetched; the starter and a pulled model are used only as they were made.
 *
 * @throws ModelError saying what to pull, or listing the known names; ChecksumError if the starter or a pulled model has changed
 */
export async function findModel(nameOrFolder: string, env?: Env): Promise<ModelLocation> {
  if (nameOrFolder === '') throw new UsageError('the model name is empty', 'use a model name or a folder');
  if (nameOrFolder === STARTER) return { name: STARTER, folder: await intactStarter(env) };
  const [pulledAs, pin] = (await findPulled(nameOrFolder, env).catch(unlessFolder(nameOrFolder))) ?? [];
  const name = pulledAs ?? nameOrFolder;
  if (pin !== undefined) await requireIntact(name, pin, env);
  const imported = await findImport(name, env).catch(unlessFolder(nameOrFolder));
  if (imported !== undefined) {
    const { source, folder } = imported;
    return { name, folder: source, imported: folder, ...(pin !== undefined && { repo: pin.repo }) };
  }
  if (pin !== undefined) return { name, folder: pinnedFolder(pin), repo: pin.repo };
  const info = await stat(nameOrFolder).catch(() => undefined);
  if (info?.isDirectory()) return { name: basename(resolve(nameOrFolder)), folder: resolve(nameOrFolder) };
  if (info !== undefined)
    throw new ModelError(
      `${nameOrFolder} is not a model folder`,
      'use the folder that contains model.safetensors and config.json',
    );
  const known = (await findCard(nameOrFolder))?.name ?? (looksLikeRepo(nameOrFolder) ? nameOrFolder : undefined);
  if (known !== undefined) {
    throw new ModelError(`${nameOrFolder} is not downloaded`, `run clip-classify models pull ${known}`);
  }
  const near = await nearNames(nameOrFolder);
  if (near.length > 0)
    throw new ModelError(
      `there is no model or folder called ${nameOrFolder}`,
      `did you mean ${near.join(' or ')}? Run clip-classify models pull ${near[0]}`,
    );
  const cards = (await modelCards()).map(({ name: card }) => card);
  throw new ModelError(
    `there is no model or folder called ${nameOrFolder}`,
    `use one of ${(await modelNames(env)).join(', ')}, or download one with clip-classify models pull: ${cards.join(', ')}`,
  );
}

/** A cache that cannot be read hides models of its own, not a folder of the user. */
function unlessFolder(path: string): (error: unknown) => Promise<undefined> {
  return async (error) => {
    const info = await stat(path).catch(() => undefined);
    if (!(error instanceof CacheError) || !info?.isDirectory()) throw error;
    return undefined;
  };
}

/** The names that {@link findModel} knows: the starter, what was imported and what was pulled. */
export async function modelNames(env?: Env): Promise<string[]> {
  const names = new Set([...(await importNames(env)), ...(await readPins(env)).keys()]);
  return [STARTER, ...[...names].sort()];
}
