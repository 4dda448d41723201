import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isThere } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { takeLock } from '../disk/process-lock.ts';
import { sealedSource } from '../disk/sealed-file.ts';

/** The converted weights of a tower, or what a killed run left of them. */
export interface WeightsFile {
  readonly path: string;
  /** Bytes, with its seal and what killed runs left. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  /** The checkpoint that they were converted from; undefined if they are not whole. */
  readonly source: string | undefined;
  /** Whether nobody can use them: they are not whole, or their checkpoint has gone. */
  readonly isWaste: boolean;
}

/**
 * What convertedWeights() and optimizedGraph() write, and next to it seals, locks and what is being written. An optimised graph is
 * written in a folder.
 */
const NAME =
  /^((?:image|text)-(?:(?:fp16|int8)\.safetensors|[0-9a-f]{16}\.onnx))(?:\.weights)?(?:\.json)?(?:\.\d+-\d+\.tmp|\.tmp|\.lock(?:\.[0-9a-f-]{36})?)?$/u;

/** The folder of all converted weights. */
export function weightsFolder(env?: Env): string {
  return join(cacheFolder(env), 'weights');
}

/** All converted weights. Links are not followed, and files of other names are left out. */
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

/** A file, with what lstat says of it. */
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

/** The names in a folder that is no link. */
async function namesIn(folder: string): Promise<string[]> {
  const isFolder = (await lstat(folder).catch(() => undefined))?.isDirectory() ?? false;
  return isFolder ? readdir(folder).catch(() => []) : [];
}

/**
 * Deletes converted weights, and what killed runs left of them. Whoever runs them keeps them open.
 *
 * @returns false if a run is writing them now, or they may not be deleted
 */
export async function removeWeights({ path }: Pick<WeightsFile, 'path'>): Promise<boolean> {
  const lock = await takeLock(`${path}.lock`).catch(() => undefined);
  if (lock === undefined) return !(await isThere(dirname(path)));
  try {
    const files = (await partsIn(dirname(path))).get(path) ?? [];
    // The seal goes first: without it nobody takes the weights for whole.
    for (const file of files.sort((a, b) => Number(b.path.endsWith('.json')) - Number(a.path.endsWith('.json'))))
      if (file.path !== lock.path) await rm(file.path, { force: true });
    await rmdir(`${path}.tmp`).catch(() => {}); // there is none
  } catch {
    return false;
  } finally {
    await lock.release();
  }
  await rmdir(dirname(path)).catch(() => {}); // other weights lie there
  return true;
}
