import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isThere } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { takeLock } from '../disk/process-lock.ts';
import { sealedSource } from '../disk/sealed-file.ts';

/** The converted weights or the optimised graph of an encoder, or what a killed run left of them. */
export interface WeightsFile {
  readonly path: string;
  /** Bytes, including the seal and what killed runs left. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  /** The checkpoint that the file was made from; undefined if the file is not complete. */
  readonly source: string | undefined;
  /** Whether nothing can use the file: it is not complete, or its checkpoint does not exist any more. */
  readonly isWaste: boolean;
}

/**
 * The names of the files that convertedWeights() and optimizedGraph() write, of their seals and locks, and of partial files. An
 * optimised graph is written in a folder.
 */
const NAME =
  /^((?:image|text)-(?:(?:fp16|int8)\.safetensors|[0-9a-f]{16}\.onnx))(?:\.weights)?(?:\.json)?(?:\.\d+-\d+\.tmp|\.tmp|\.lock(?:\.[0-9a-f-]{36})?)?$/u;

/** The folder of all converted weights. */
export function weightsFolder(env?: Env): string {
  return join(cacheFolder(env), 'weights');
}

/** All converted weights and optimised graphs. Links are not followed, and files with other names are skipped. */
export async function weightsFiles(env?: Env): Promise<WeightsFile[]> {
  const parent = weightsFolder(env);
  if (!(await lstat(parent).catch(() => undefined))?.isDirectory()) return [];
  const folders = (await readdir(parent, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory() && /^[0-9a-f]{32}$/u.test(entry.name))
    .map(({ name }) => join(parent, name));
  const found = await Promise.all(folders.map(weightsIn));
  return found.flat();
}

async function weightsIn(folder: string): Promise<WeightsFile[]> {
  const parts = await partsIn(folder);
  return Promise.all(
    [...parts].map(async ([path, files]) => {
      const source = files.some((file) => file.path === path) ? await sealedSource(path) : undefined;
      const seal = files.find((file) => file.path === `${path}.json`);
      return {
        path,
        size: files.reduce((sum, { size }) => sum + size, 0),
        lastUsed: seal?.mtimeMs ?? Math.max(...files.map(({ mtimeMs }) => mtimeMs)),
        source,
        isWaste: source === undefined || !(await isThere(source)),
      };
    }),
  );
}

/** A file, with its facts from lstat. */
interface Part {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** The files of a folder, by the weights that they belong to. */
async function partsIn(folder: string): Promise<Map<string, Part[]>> {
  const parts = new Map<string, Part[]>();
  const names = await readdir(folder).catch(() => []);
  const unfinished = names.filter((name) => name.endsWith('.onnx.tmp'));
  const inside = await Promise.all(
    unfinished.map(async (name) => (await namesIn(join(folder, name))).map((one) => join(name, one))),
  );
  for (const name of [...names, ...inside.flat()]) {
    const weights = NAME.exec(basename(name))?.[1];
    if (weights === undefined) continue;
    const path = join(folder, name);
    const info = await lstat(path).catch(() => undefined);
    if (!info?.isFile()) continue;
    const { size, mtimeMs } = info;
    parts.set(join(folder, weights), [...(parts.get(join(folder, weights)) ?? []), { path, size, mtimeMs }]);
  }
  return parts;
}

/** The names in a folder. A link to a folder is not followed. */
async function namesIn(folder: string): Promise<string[]> {
  const isFolder = (await lstat(folder).catch(() => undefined))?.isDirectory() ?? false;
  return isFolder ? readdir(folder).catch(() => []) : [];
}

/**
 * Deletes converted weights or an optimised graph, and what killed runs left of them. A run that uses the file keeps it open.
 *
 * @returns false if a run is writing the file now, or the file may not be deleted
 */
export async function removeWeights({ path }: Pick<WeightsFile, 'path'>): Promise<boolean> {
  const lock = await takeLock(`${path}.lock`).catch(() => undefined);
  if (lock === undefined) return !(await isThere(dirname(path)));
  try {
    const files = (await partsIn(dirname(path))).get(path) ?? [];
    // The seal is deleted first, because without it no run uses the weights.
    for (const file of files.sort((a, b) => Number(b.path.endsWith('.json')) - Number(a.path.endsWith('.json'))))
      if (file.path !== lock.path) await rm(file.path, { force: true });
    await rmdir(`${path}.tmp`).catch(() => {}); // it does not exist
  } catch {
    return false;
  } finally {
    await lock.release();
  }
  await rmdir(dirname(path)).catch(() => {}); // other weights lie there
  return true;
}
