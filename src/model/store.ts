import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pid, env as processEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { CacheError, ModelError, messageOf, UsageError } from '../errors.ts';
import type { Checkpoint } from '../onnx/safetensors.ts';
import type { Graphs } from '../onnx/towers.ts';
import { readModelJson } from './card.ts';

/** The model that ships in the package. */
export const STARTER = 'starter';

/** Where a model's files are. */
export interface ModelLocation {
  readonly name: string;
  /** The folder of the checkpoint, its config and its tokenizer. */
  readonly folder: string;
  /** The folder that {@link storeImport} wrote, for a model that was imported. */
  readonly imported?: string;
}

/** The environment variables of the process. */
export type Env = Readonly<Record<string, string | undefined>>;

/** What an import is made of. */
interface Importable {
  readonly folder: string;
  readonly contents:
    | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint; graphs(): Promise<Graphs> }
    | { readonly kind: 'onnx' };
}

/** `CLIP_CLASSIFY_CACHE`, else `clip-classify` in `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheFolder(env: Env = processEnv): string {
  return env['CLIP_CLASSIFY_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'clip-classify');
}

/** The model to take where none is named: `CLIP_CLASSIFY_MODEL`, else the starter. */
export function defaultModel(env: Env = processEnv): string {
  return env['CLIP_CLASSIFY_MODEL'] || STARTER;
}

/**
 * Finds a model by its name (the starter, or one that was imported) or by its folder.
 *
 * @throws ModelError listing the known names
 */
export async function findModel(nameOrFolder: string, env?: Env): Promise<ModelLocation> {
  if (nameOrFolder === STARTER) {
    return { name: STARTER, folder: fileURLToPath(new URL('../../models/starter', import.meta.url)) };
  }
  const imported = isName(nameOrFolder) ? importFolder(nameOrFolder, env) : undefined;
  if (imported !== undefined && (await exists(join(imported, 'import.json')))) {
    const { source } = await readModelJson(imported, 'import.json');
    return { name: nameOrFolder, folder: String(source), imported };
  }
  const info = await stat(nameOrFolder).catch(() => undefined);
  if (info?.isDirectory()) return { name: basename(resolve(nameOrFolder)), folder: resolve(nameOrFolder) };
  if (info !== undefined)
    throw new ModelError(
      `${nameOrFolder} is not a folder`,
      'name the folder that holds model.safetensors and config.json',
    );
  throw new ModelError(
    `there is no model or folder called ${nameOrFolder}`,
    `known are ${(await modelNames(env)).join(', ')}; clip-classify models import <folder> adds one`,
  );
}

/** The names that {@link findModel} knows. */
export async function modelNames(env?: Env): Promise<string[]> {
  const imported = await readdir(join(cacheFolder(env), 'models')).catch(() => []);
  return [STARTER, ...imported.filter(isName).sort()];
}

/**
 * Keeps both graphs of a checkpoint under a name; the weights stay where they are. Ready-made graphs are used as they are:
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
    const checkpoint = contents.kind === 'checkpoint' ? fingerprint(contents.checkpoint) : undefined;
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

/**
 * The graphs that an import wrote.
 *
 * @throws ModelError if the checkpoint is no longer the one that was imported
 */
export async function readImport(name: string, folder: string, checkpoint: Checkpoint): Promise<Graphs> {
  const { checkpoint: imported } = await readModelJson(folder, 'import.json');
  if (imported !== fingerprint(checkpoint)) {
    throw new ModelError(
      `${checkpoint.file} has changed since it was imported as ${name}`,
      `clip-classify models import ${checkpoint.folder} --name ${name}`,
    );
  }
  return { image: await readFile(join(folder, 'image.onnx')), text: await readFile(join(folder, 'text.onnx')) };
}

/** Tells one layout of tensors in a file from another; the graphs depend on nothing else but the config. */
function fingerprint(checkpoint: Checkpoint): string {
  return createHash('sha256').update(checkpoint.file).update('\0').update(checkpoint.header).digest('hex');
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
