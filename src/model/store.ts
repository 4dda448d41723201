import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pid, env as processEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { ChecksumError, ModelError, UsageError } from '../errors.ts';
import type { Checkpoint } from '../onnx/safetensors.ts';
import type { Graphs } from '../onnx/towers.ts';
import { inCache, replaceFile } from './cache-files.ts';
import { readModelJson } from './card.ts';
import { cacheFolder, type Env } from './environment.ts';
import { looksLikeRepo } from './hub-names.ts';
import { findPulled, readPins } from './pins.ts';
import { withLock } from './process-lock.ts';
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

/** What an import is made of. */
interface Importable {
  readonly folder: string;
  readonly contents:
    | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint; graphs(): Promise<Graphs> }
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
    const { source } = await readModelJson(imported, 'import.json');
    if (pin !== undefined && source === pulled) await requireIntact(name, pin, env);
    return { name, folder: String(source), imported, ...(pin !== undefined && { repo: pin.repo }) };
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

/** The names that {@link findModel} knows: the starter, what was imported and what was pulled. */
export async function modelNames(env?: Env): Promise<string[]> {
  const imported = await readdir(join(cacheFolder(env), 'models')).catch(() => []);
  const pulled = (await readPins(env)).keys();
  return [STARTER, ...[...new Set([...imported.filter(isName), ...pulled])].sort()];
}

/** Forgets an import; the checkpoint itself stays. */
export async function removeImport(name: string, env?: Env): Promise<boolean> {
  if (!isName(name) || !(await exists(importFolder(name, env)))) return false;
  await inCache(importFolder(name, env), 'CLIP_CLASSIFY_CACHE', () => rm(importFolder(name, env), { recursive: true }));
  return true;
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
  const made =
    contents.kind === 'checkpoint' ? { of: contents.checkpoint, graphs: await contents.graphs() } : undefined;
  const record = {
    source,
    ...(made && {
      checkpoint: fingerprint(made.of),
      graphs: { image: sha256(made.graphs.image), text: sha256(made.graphs.text) },
    }),
  };
  await inCache(folder, 'CLIP_CLASSIFY_CACHE', async () => {
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    await withLock(join(cacheFolder(env), 'import.lock'), async () => {
      try {
        await mkdir(beside, { recursive: true, mode: 0o700 });
        if (made) await writeFile(join(beside, 'image.onnx'), made.graphs.image);
        if (made) await writeFile(join(beside, 'text.onnx'), made.graphs.text);
        await writeFile(join(beside, 'import.json'), `${JSON.stringify(record, null, 2)}\n`);
        await rm(folder, { recursive: true, force: true });
        await rename(beside, folder);
      } finally {
        await rm(beside, { recursive: true, force: true });
      }
    });
  });
  return folder;
}

/**
 * The graphs that an import wrote.
 *
 * @throws ModelError if the checkpoint is no longer the one that was imported, ChecksumError if a graph is damaged
 */
export async function readImport(name: string, folder: string, checkpoint: Checkpoint): Promise<Graphs> {
  const record = await readModelJson(folder, 'import.json');
  const again = `clip-classify models import ${String(record['source'])} --name ${name}`;
  if (record['checkpoint'] !== fingerprint(checkpoint))
    throw new ModelError(`${checkpoint.file} has changed since it was imported as ${name}`, again);
  const read = async (graph: keyof Graphs) => {
    const { path, bytes, good } = await readGraph(folder, record, graph);
    if (good) return bytes;
    throw new ChecksumError(`${path} is not what was written when ${name} was imported`, again);
  };
  return { image: await read('image'), text: await read('text') };
}

/** Hashes the graphs of an import again; ready-made graphs are used where they are, and nothing was written of them. */
export async function verifyImport(name: string, env?: Env): Promise<{ path: string; state: 'good' | 'changed' }[]> {
  const folder = importFolder(name, env);
  if (!isName(name) || !(await exists(join(folder, 'import.json')))) return [];
  const record = await readModelJson(folder, 'import.json');
  if (record['graphs'] === undefined) return [];
  const graphs = await Promise.all((['image', 'text'] as const).map((graph) => readGraph(folder, record, graph)));
  return graphs.map(({ path, good }) => ({ path, state: good ? 'good' : 'changed' }));
}

/** A graph that an import wrote, and whether it is still that. */
async function readGraph(folder: string, record: Readonly<Record<string, unknown>>, graph: keyof Graphs) {
  const path = join(folder, `${graph}.onnx`);
  const bytes = await readFile(path).catch(() => new Uint8Array());
  const written = new Map(Object.entries(Object(record['graphs']))).get(graph);
  return { path, bytes, good: written === sha256(bytes) };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
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
