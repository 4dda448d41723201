import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pid, env as processEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { CacheError, ModelError, messageOf, UsageError } from '../errors.ts';
import type { Architecture } from '../onnx/architecture.ts';
import type { Checkpoint } from '../onnx/safetensors.ts';
import type { Graphs } from '../onnx/towers.ts';
import { readModelJson } from './card.ts';
import { cacheFolder, type Env } from './environment.ts';
import { inCache, replaceFile } from './hub-cache.ts';
import { looksLikeRepo } from './hub-names.ts';
import { findPulled, readPins } from './pins.ts';
import { findCard } from './registry.ts';
import { pinnedFolder, requireIntact } from './verify.ts';

/** The model that ships in the package. */
export const STARTER = 'starter';

/** Where a model's files are. */
export interface ModelLocation {
  readonly name: string;
  /** The folder of the checkpoint, its config and its tokenizer. */
  readonly folder: string;
  /** The folder that {@link storeImport} wrote, for a model that was imported. */
  readonly imported?: string;
  /** The hub's repository, for a model that was pulled. */
  readonly repo?: string;
}

export { cacheFolder, type Env } from './environment.ts';

/** A checkpoint whose graphs are kept. */
interface ImportedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
}

/** What an import is made of. */
interface Importable {
  readonly folder: string;
  readonly contents:
    | ({ readonly kind: 'checkpoint'; graphs(): Promise<Graphs> } & ImportedCheckpoint)
    | { readonly kind: 'onnx' };
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
    const { model } = JSON.parse(readFileSync(defaultFile(env), 'utf8')) as { model?: unknown };
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
 * folder. Nothing is fetched; a pulled model is used only as it was pulled.
 *
 * @throws ModelError saying what to pull, or listing the known names; ChecksumError if a pulled model has changed
 */
export async function findModel(nameOrFolder: string, env?: Env): Promise<ModelLocation> {
  if (nameOrFolder === STARTER) {
    return { name: STARTER, folder: fileURLToPath(new URL('../../models/starter', import.meta.url)) };
  }
  const [pulledAs, pin] = (await findPulled(nameOrFolder, env)) ?? [];
  const name = pulledAs ?? nameOrFolder;
  const imported = isName(name) ? importFolder(name, env) : undefined;
  const pulled = pin && pinnedFolder(pin);
  if (imported !== undefined && (await exists(join(imported, 'import.json')))) {
    const source = await importedFrom(name, imported);
    if (pin !== undefined && source === pulled) await requireIntact(name, pin, env);
    return { name, folder: source, imported, ...(pin !== undefined && { repo: pin.repo }) };
  }
  if (pin !== undefined && pulled !== undefined) {
    await requireIntact(name, pin, env);
    return { name, folder: pulled, repo: pin.repo };
  }
  const info = await stat(nameOrFolder).catch(() => undefined);
  if (info?.isDirectory()) return { name: basename(resolve(nameOrFolder)), folder: resolve(nameOrFolder) };
  if (info !== undefined)
    throw new ModelError(
      `${nameOrFolder} is not a folder`,
      'name the folder that holds model.safetensors and config.json',
    );
  const known = (await findCard(nameOrFolder))?.name ?? (looksLikeRepo(nameOrFolder) ? nameOrFolder : undefined);
  if (known !== undefined) {
    throw new ModelError(`${nameOrFolder} has not been pulled`, `clip-classify models pull ${known} fetches it`);
  }
  throw new ModelError(
    `there is no model or folder called ${nameOrFolder}`,
    `known are ${(await modelNames(env)).join(', ')}; clip-classify models import <folder> adds one`,
  );
}

/** Where an imported checkpoint lies. */
async function importedFrom(name: string, folder: string): Promise<string> {
  const { source } = await readModelJson(folder, 'import.json');
  if (typeof source === 'string' && (await exists(source))) return source;
  throw new ModelError(
    `${name} was imported from ${JSON.stringify(source)}, which is not there`,
    `clip-classify models import <folder> --name ${name}, with the folder where it is now`,
  );
}

/** The names that {@link findModel} knows: the starter, what was imported and what was pulled. */
export async function modelNames(env?: Env): Promise<string[]> {
  const folders = await readdir(join(cacheFolder(env), 'models')).catch(() => []);
  const imported: string[] = [];
  for (const name of folders) {
    if (isName(name) && (await exists(join(importFolder(name, env), 'import.json')))) imported.push(name);
  }
  const pulled = (await readPins(env)).keys();
  return [STARTER, ...[...new Set([...imported, ...pulled])].sort()];
}

/** Forgets an import; the checkpoint itself stays. */
export async function removeImport(name: string, env?: Env): Promise<boolean> {
  if (!isName(name) || !(await exists(importFolder(name, env)))) return false;
  await inCache(importFolder(name, env), 'CLIP_CLASSIFY_CACHE', () => rm(importFolder(name, env), { recursive: true }));
  return true;
}

/**
 * Keeps both graphs of a checkpoint under a name, in this tool's cache; the weights stay where they are. Ready-made graphs are used as they are:
 * of them only the folder is kept.
 *
 * @returns the folder that holds `import.json` and, for a checkpoint, `image.onnx` and `text.onnx`
 * @throws UsageError if the name cannot be one, CacheError if the cache cannot be written
 */
export async function storeImport(name: string, { folder: source, contents }: Importable, env?: Env): Promise<string> {
  if (name === STARTER || !isName(name)) {
    throw new UsageError(
      `"${name}" cannot be the name of a model`,
      'give one of letters, digits, dots and dashes: --name my-clip',
    );
  }
  const folder = importFolder(name, env);
  const beside = `${folder}.${pid}.tmp`;
  try {
    await mkdir(beside, { recursive: true, mode: 0o700 });
    if (contents.kind === 'checkpoint') {
      const { image, text } = await contents.graphs();
      await writeFile(join(beside, 'image.onnx'), image);
      await writeFile(join(beside, 'text.onnx'), text);
    }
    const checkpoint = contents.kind === 'checkpoint' ? await fingerprint(contents) : undefined;
    await writeFile(join(beside, 'import.json'), `${JSON.stringify({ source, checkpoint }, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(beside, folder);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    throw new CacheError(
      `${folder} cannot be written: ${messageOf(error)}`,
      'set CLIP_CLASSIFY_CACHE to a folder that can',
      error,
    );
  }
  return folder;
}

/** The graphs that an import wrote, while they are what it would write now; else undefined. */
export async function readImport(folder: string, contents: ImportedCheckpoint): Promise<Graphs | undefined> {
  const { checkpoint } = await readModelJson(folder, 'import.json');
  if (checkpoint !== (await fingerprint(contents))) return undefined;
  return { image: await readFile(join(folder, 'image.onnx')), text: await readFile(join(folder, 'text.onnx')) };
}

/** Everything that the graphs depend on: where the tensors lie, the hyper-parameters, and who writes the graphs. */
async function fingerprint({ checkpoint, architecture }: ImportedCheckpoint): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const parts = [version, checkpoint.file, JSON.stringify(architecture), checkpoint.header];
  return parts.reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256')).digest('hex');
}

function importFolder(name: string, env?: Env): string {
  return join(cacheFolder(env), 'models', name);
}

function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,99}$/iu.test(text) && !text.endsWith('.tmp');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
