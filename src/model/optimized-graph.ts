import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { inCache, makeFolder, requireSpace } from '../disk/cache-files.ts';
import { weightsLimit } from '../disk/cache-limit.ts';
import type { Env } from '../disk/environment.ts';
import { processorFacts } from '../disk/machine.ts';
import { packageVersion } from '../disk/package-version.ts';
import { withLock } from '../disk/process-lock.ts';
import { isIntact, markUsed, seal } from '../disk/sealed-file.ts';
import { CacheError } from '../errors.ts';
import { removeConverted, weightsFolderOf } from './converted-weights.ts';
import { type Graph, optimizedWeights, runtimeVersion, saveOptimized } from './session.ts';
import { dropOldWeights } from './weights-limit.ts';

/** Increase it with every change of the graphs of convolutional networks. */
const FORMAT = 2;
const VARIABLE = 'CLIP_CLASSIFY_CACHE';

/** The most bytes of an optimised graph for each byte of weights, because fp16 becomes fp32 and channels are padded to whole vectors. */
const GROWTH = 3;

/**
 * A convolutional graph that onnxruntime has optimised for this processor: constants are computed, and weights have the order of its
 * vector units. The optimisation takes three quarters of the time to open such a graph. So its result is cached, next to the converted
 * weights of the same checkpoint. Each processor, version of onnxruntime and version of this package has its own file.
 *
 * @param plain makes the graph that this package writes
 * @param onCacheTrouble called if nothing can be cached; the plain graph is then opened, which takes longer
 */
export async function optimizedGraph(
  checkpoint: Checkpoint,
  plain: () => Promise<Graph>,
  env?: Env,
  onCacheTrouble?: (error: unknown) => void,
): Promise<Graph> {
  try {
    const folder = await weightsFolderOf(checkpoint, env);
    const path = join(folder, `image-${await nameOfKind()}.onnx`);
    if (!(await isWhole(path))) {
      await inCache(folder, VARIABLE, async () => {
        await makeFolder(folder);
        await withLock(`${path}.lock`, async () => {
          if (await isWhole(path)) return;
          await rm(`${path}${UNFINISHED}`, { recursive: true, force: true }); // left by a killed process
          await write(await plain(), path, checkpoint);
          await removeConverted(checkpoint.file, env, folder); // the files of earlier states of the checkpoint
        });
      });
      await dropOldWeights(weightsLimit(env), env);
    }
    await markUsed(path);
    return { path, isOptimized: true };
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    onCacheTrouble?.(error);
    return plain();
  }
}

/** A hash of everything that an optimised graph depends on, except the checkpoint. */
async function nameOfKind(): Promise<string> {
  const facts = [FORMAT, await packageVersion(), runtimeVersion(), ...processorFacts()];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

/** The ending of the folder in which a graph is written. Only the holder of the lock writes. */
const UNFINISHED = '.tmp';

async function isWhole(path: string): Promise<boolean> {
  return (await isIntact(path)) && (await isIntact(optimizedWeights(path)));
}

/** Writes into another folder and renames the files, so that no reader sees a partial file. */
async function write(graph: Graph, path: string, checkpoint: Checkpoint): Promise<void> {
  const folder = `${path}${UNFINISHED}`;
  const [bytes, weights] = [join(folder, basename(path)), join(folder, basename(optimizedWeights(path)))];
  await makeFolder(folder);
  try {
    await requireSpace(folder, GROWTH * bytesOf(checkpoint), VARIABLE);
    await saveOptimized(graph, bytes, basename(weights));
    for (const [from, to] of [
      [weights, optimizedWeights(path)],
      [bytes, path],
    ] as const) {
      await settle(from);
      await rename(from, to);
      await seal(to, checkpoint.file);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bytes of the weights in a checkpoint. */
function bytesOf({ tensors }: Checkpoint): number {
  return [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Makes sure that the bytes of a file are on disk. */
async function settle(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
