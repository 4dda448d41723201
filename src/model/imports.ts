import { createHash } from 'node:crypto';
import { access, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Architecture } from '../checkpoint/architecture.ts';
import { readModelJson } from '../checkpoint/config.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { inCache, makeFolder, unreadableCache } from '../disk/cache-files.ts';
import { type CheckedFile, checkFile, sha256Of } from '../disk/digest.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { exists, isAbsent } from '../disk/exists.ts';
import { packageVersion } from '../disk/package-version.ts';
import { readPlainBytes } from '../disk/plain-file.ts';
import { withLock } from '../disk/process-lock.ts';
import { writeWhole } from '../disk/whole-file.ts';
import { ModelError, UsageError } from '../errors.ts';
import type { GraphFiles } from '../onnx/encoders.ts';
import { STARTER } from './starter.ts';

/** An imported model. */
export interface Import {
  /** The folder of the checkpoint or of the ONNX files. */
  readonly source: string;
  /** The folder with import.json and, for a checkpoint, its graphs. */
  readonly folder: string;
}

/** A checkpoint whose graphs are stored. */
interface ImportedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
}

/** A model that can be imported. */
interface Importable {
  readonly folder: string;
  readonly contents:
    | ({ readonly kind: 'checkpoint'; graphFiles(): Promise<GraphFiles> } & ImportedCheckpoint)
    | { readonly kind: 'onnx' };
  /** The sha256 of each file that the model is read from, by its path; `models verify` compares them. */
  readonly checksums?: Readonly<Record<string, string>>;
}

/**
 * Stores both graphs of a checkpoint under a name in the cache of this tool. The weights stay in place. For ONNX models, only the
 * folder is recorded.
 *
 * @returns the folder with `import.json` and, for a checkpoint, `image.onnx` and `text.onnx`
 * @throws UsageError if the name is not valid, CacheError if the cache cannot be written
 */
export async function storeImport(
  name: string,
  { folder: source, contents, checksums }: Importable,
  env?: Env,
): Promise<string> {
  if (name === STARTER || !isName(name)) {
    throw new UsageError(
      `"${name}" is not a valid model name`,
      'use letters, digits, dots and dashes, such as --name my-clip',
    );
  }
  const folder = importFolder(name, env);
  const graphs = contents.kind === 'checkpoint' ? await contents.graphFiles() : undefined;
  const record = {
    source,
    ...(contents.kind === 'checkpoint' && { checkpoint: await fingerprint(contents) }),
    ...(graphs && { graphs: { image: sha256Of(graphs.image), text: sha256Of(graphs.text) } }),
    ...(checksums && { checksums }),
  };
  await inCache(folder, 'CLIP_CLASSIFY_CACHE', async () => {
    await makeFolder(dirname(folder));
    await withLock(join(cacheFolder(env), 'import.lock'), async () => {
      await writeWhole(folder, async (temporary) => {
        await makeFolder(temporary);
        if (graphs) await writeFile(join(temporary, 'image.onnx'), graphs.image);
        if (graphs) await writeFile(join(temporary, 'text.onnx'), graphs.text);
        await writeFile(join(temporary, 'import.json'), `${JSON.stringify(record, null, 2)}\n`);
        await rm(folder, { recursive: true, force: true });
      });
    });
  });
  return folder;
}

/**
 * Finds an imported model by its name.
 *
 * @throws ModelError if its source is missing
 */
export async function findImport(name: string, env?: Env): Promise<Import | undefined> {
  const folder = importFolder(name, env);
  if (!isName(name) || !(await isInCache(join(folder, 'import.json')))) return undefined;
  const { source } = await readModelJson(folder, 'import.json');
  if (typeof source === 'string' && (await exists(source))) return { source, folder };
  throw new ModelError(
    `${name} was imported from ${JSON.stringify(source)}, which does not exist`,
    `run clip-classify models import <folder> --name ${name} with the new folder`,
  );
}

/** The names of all imports. */
export async function importNames(env?: Env): Promise<string[]> {
  const names: string[] = [];
  const folder = join(cacheFolder(env), 'models');
  const found = await readdir(folder).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw unreadableCache(folder, error);
  });
  for (const name of found) {
    if (isName(name) && (await isInCache(join(importFolder(name, env), 'import.json')))) names.push(name);
  }
  return names;
}

/** Removes an import. The checkpoint itself is kept. */
export async function removeImport(name: string, env?: Env): Promise<boolean> {
  if (!isName(name) || !(await exists(importFolder(name, env)))) return false;
  await inCache(importFolder(name, env), 'CLIP_CLASSIFY_CACHE', () => rm(importFolder(name, env), { recursive: true }));
  return true;
}

/** The stored graphs of an import; undefined if they are damaged or outdated. */
export async function readImport(folder: string, contents: ImportedCheckpoint): Promise<GraphFiles | undefined> {
  const record = await readModelJson(folder, 'import.json');
  if (record['checkpoint'] !== (await fingerprint(contents))) return undefined;
  const [image, text] = [await readGraph(folder, record, 'image'), await readGraph(folder, record, 'text')];
  return image.good && text.good ? { image: image.bytes, text: text.bytes } : undefined;
}

/** Hashes the graphs of an import and its source files again. */
export async function verifyImport(
  name: string,
  env?: Env,
): Promise<{ readonly graphs: readonly CheckedFile[]; readonly sources: readonly CheckedFile[] }> {
  const folder = importFolder(name, env);
  if (!isName(name) || !(await exists(join(folder, 'import.json')))) return { graphs: [], sources: [] };
  const record = await readModelJson(folder, 'import.json');
  const written = record['graphs'] === undefined ? [] : (['image', 'text'] as const);
  const graphs = written.map(async (graph): Promise<CheckedFile> => {
    const { path, good } = await readGraph(folder, record, graph);
    return { path, state: good ? 'good' : 'changed' };
  });
  const sources = Object.entries(Object(record['checksums'])).map(([path, expected]) => checkFile(path, expected));
  return { graphs: await Promise.all(graphs), sources: await Promise.all(sources) };
}

/** A stored graph, and whether its bytes are unchanged. */
async function readGraph(folder: string, record: Readonly<Record<string, unknown>>, graph: keyof GraphFiles) {
  const path = join(folder, `${graph}.onnx`);
  const bytes = await readPlainBytes(path).catch(() => new Uint8Array());
  const written = new Map(Object.entries(Object(record['graphs']))).get(graph);
  return { path, bytes, good: written === sha256Of(bytes) };
}

/** A digest of everything that the graphs depend on: the tensors' offsets, the hyper-parameters and the version of this package. */
async function fingerprint({ checkpoint, architecture }: ImportedCheckpoint): Promise<string> {
  const parts = [await packageVersion(), ...checkpoint.files, JSON.stringify(architecture), checkpoint.header];
  return parts.reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256')).digest('hex');
}

/** @throws CacheError if the cache cannot be read */
async function isInCache(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw unreadableCache(path, error);
  }
}

function importFolder(name: string, env?: Env): string {
  return join(cacheFolder(env), 'models', name);
}

function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,99}$/iu.test(text) && !text.endsWith('.tmp');
}
