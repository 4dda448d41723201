import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pid, env as processEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { ModelError, UsageError } from '../errors.ts';
import type { Architecture } from '../onnx/architecture.ts';
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
    const { source: from } = await readModelJson(imported, 'import.json');
    if (pin !== undefined && from === pulled) await requireIntact(name, pin, env);
    const source = await importedFrom(name, imported);
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
 * Keeps both graphs of a checkpoint under a name, in this tool's cache; the weights stay where they are. Ready-made
 * graphs are used as they are: of them only the folder is kept.
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
  const graphs = contents.kind === 'checkpoint' ? await contents.graphs() : undefined;
  const record = {
    source,
    ...(contents.kind === 'checkpoint' && { checkpoint: await fingerprint(contents) }),
    ...(graphs && { graphs: { image: sha256(graphs.image), text: sha256(graphs.text) } }),
  };
  await inCache(folder, 'CLIP_CLASSIFY_CACHE', async () => {
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    await withLock(join(cacheFolder(env), 'import.lock'), async () => {
      try {
        await mkdir(beside, { recursive: true, mode: 0o700 });
        if (graphs) await writeFile(join(beside, 'image.onnx'), graphs.image);
        if (graphs) await writeFile(join(beside, 'text.onnx'), graphs.text);
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

/** The graphs that an import wrote, while they are what it would write now, bit for bit; else undefined. */
export async function readImport(folder: string, contents: ImportedCheckpoint): Promise<Graphs | undefined> {
  const record = await readModelJson(folder, 'import.json');
  if (record['checkpoint'] !== (await fingerprint(contents))) return undefined;
  const [image, text] = [await readGraph(folder, record, 'image'), await readGraph(folder, record, 'text')];
  return image.good && text.good ? { image: image.bytes, text: text.bytes } : undefined;
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
