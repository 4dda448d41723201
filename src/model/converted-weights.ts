import { createHash } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { type Conversion, planConversion, type Storage } from '../checkpoint/convert.ts';
import { Checkpoint, readCheckpoint } from '../checkpoint/safetensors.ts';
import { inCache, isThere, makeFolder, requireSpace } from '../disk/cache-files.ts';
import { weightsLimit } from '../disk/cache-limit.ts';
import { stampOf } from '../disk/digest.ts';
import type { Env } from '../disk/environment.ts';
import { isAbsent } from '../disk/exists.ts';
import { withLock } from '../disk/process-lock.ts';
import { isIntact, markUsed, seal, sealedSource, verifySeal } from '../disk/sealed-file.ts';
import { writeWhole } from '../disk/whole-file.ts';
import { CacheError } from '../errors.ts';
import { checkpointFolder, readModelFolder } from './folder.ts';
import type { Weights } from './session.ts';
import { weightsFolder } from './weights-files.ts';
import { dropOldWeights } from './weights-limit.ts';

/** Format version. Increase it when the format changes; older files are then ignored. */
const FORMAT = 2;
const VARIABLE = 'CLIP_CLASSIFY_CACHE';
/** The seal of a file has the name of the file with this ending. */
const SEAL = '.json';
/** Another process may empty the cache while weights are written or opened. More tries would not help. */
const MOST_TRIES = 5;

/** The tensors of an encoder in another precision, and where onnxruntime finds their bytes. */
export interface Converted {
  readonly checkpoint: Checkpoint;
  readonly weights: Weights;
}

/**
 * The weights of an encoder as fp16 or int8. They are written to the cache once and hashed, in a folder for each state of the
 * checkpoint (its path, inode, size, times of change and header). A file that was touched since is hashed again, and written again if
 * its bytes differ.
 *
 * @param onCacheTrouble called if nothing can be cached; the weights are then converted in memory at every start
 * @throws ModelError if a weight cannot be converted
 */
export async function convertedWeights(
  checkpoint: Checkpoint,
  encoder: 'image' | 'text',
  storage: Storage,
  env?: Env,
  onCacheTrouble?: (error: unknown) => void,
): Promise<Converted> {
  const plan = planConversion(checkpoint, encoder, storage);
  try {
    const folder = await weightsFolderOf(checkpoint, env);
    const path = join(folder, `${encoder}-${storage}.safetensors`);
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const kept = await keep(plan, path, checkpoint.file, env).catch((error: unknown) => {
        if (tries === MOST_TRIES - 1 || !isEmptied(error)) throw error;
      });
      if (kept !== undefined) return { checkpoint: kept, weights: { folder, file: path } };
    }
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    onCacheTrouble?.(error);
  }
  return inMemory(plan, checkpoint);
}

/** Converts and caches the weights, if they are not cached. @returns undefined if another process deleted them meanwhile */
async function keep(plan: Conversion, path: string, source: string, env?: Env): Promise<Checkpoint | undefined> {
  const folder = dirname(path);
  if (!(await isIntact(path)) || (await leftovers(path)).length > 0) {
    await inCache(folder, VARIABLE, async () => {
      await makeFolder(folder);
      await withLock(`${path}.lock`, async () => {
        for (const file of await leftovers(path)) await rm(file, { force: true });
        if (await isIntact(path)) return;
        await write(plan, path, source);
        await removeConverted(source, env, folder); // the weights of earlier states of the checkpoint
      });
    });
    await dropOldWeights(weightsLimit(env), env);
  }
  await markUsed(path);
  try {
    return await readCheckpoint(path);
  } catch (error) {
    if (await isThere(path)) throw error;
    return undefined;
  }
}

/** Whether the folder was deleted while a file was created in it. */
function isEmptied(error: unknown): boolean {
  return error instanceof CacheError && isAbsent(error.cause);
}

/** Hashes the converted weights of the checkpoint in a folder again, for all states of the checkpoint. */
export async function verifyConverted(
  modelFolder: string,
  env?: Env,
): Promise<{ path: string; state: 'good' | 'changed' }[]> {
  const folder = await checkpointFolder(modelFolder);
  if (folder === undefined) return [];
  const { file } = (await readModelFolder(folder)).checkpoint;
  const names = await readdir(weightsFolder(env), { recursive: true }).catch(() => []);
  const checks = names
    .filter((name) => name.endsWith(SEAL))
    .map(async (name) => {
      const path = join(weightsFolder(env), name.slice(0, -SEAL.length));
      return { path, state: await verifySeal(path, file) };
    });
  return (await Promise.all(checks)).flatMap(({ path, state }) => (state === undefined ? [] : [{ path, state }]));
}

/**
 * Deletes converted weights. They are written again when they are needed.
 *
 * @param source the file of a checkpoint, or a folder with checkpoints
 * @param except a folder of the cache that is kept
 */
export async function removeConverted(source: string, env?: Env, except?: string): Promise<void> {
  const isOf = (file: string) => file === source || file.startsWith(source + sep);
  const folders = await readdir(weightsFolder(env)).catch(() => []);
  for (const folder of folders.map((name) => join(weightsFolder(env), name))) {
    if (folder === except) continue;
    const names = await readdir(folder).catch(() => []);
    const seals = names.filter((name) => name.endsWith(SEAL));
    const sources = await Promise.all(seals.map((name) => sealedSource(join(folder, name.slice(0, -SEAL.length)))));
    if (sources.some((file) => file !== undefined && isOf(file))) await rm(folder, { recursive: true, force: true });
  }
}

/** Partial files of killed processes. The caller holds the lock, so nobody is writing them. */
async function leftovers(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith('.tmp'))
    .map((name) => join(dirname(path), name));
}

/** Writes the file whole or not at all, so that readers never see a partial file. */
async function write(plan: Conversion, path: string, source: string): Promise<void> {
  await requireSpace(dirname(path), plan.bytes, VARIABLE);
  await writeWhole(path, async (temporary) => {
    const file = await open(temporary, 'w', 0o600);
    try {
      await plan.convert(async (bytes, offset) => {
        await file.write(bytes, 0, bytes.length, offset);
      });
      await file.sync();
    } finally {
      await file.close();
    }
  });
  await seal(path, source);
}

async function inMemory(plan: Conversion, { file, header }: Checkpoint): Promise<Converted> {
  const data = new Uint8Array(plan.bytes);
  await plan.convert(async (bytes, offset) => data.set(bytes, offset));
  return { checkpoint: new Checkpoint(file, plan.tensors, header), weights: { name: basename(file), data } };
}

/** The folder of the cached weights and graphs of a checkpoint in its present state. */
export async function weightsFolderOf(checkpoint: Checkpoint, env?: Env): Promise<string> {
  return join(weightsFolder(env), await keyOf(checkpoint));
}

async function keyOf({ files, header }: Checkpoint): Promise<string> {
  const stamps = await Promise.all(files.map(async (file) => [file, await stampOf(file)]));
  const parts = [String(FORMAT), ...stamps.flat(), header];
  const digest = parts.reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256')).digest('hex');
  return digest.slice(0, 32);
}
