import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { inCache, makeFolder, requireSpace } from '../disk/cache-files.ts';
import type { Env } from '../disk/environment.ts';
import { processorFacts } from '../disk/machine.ts';
import { packageVersion } from '../disk/package-version.ts';
import { withLock } from '../disk/process-lock.ts';
import { isIntact, seal } from '../disk/sealed-file.ts';
import { CacheError } from '../errors.ts';
import { removeConverted, weightsFolderOf } from './converted-weights.ts';
import { type Graph, runtimeVersion, saveOptimized } from './session.ts';

/** To be counted up with every change of the graphs of convolutional networks. */
const FORMAT = 1;
const VARIABLE = 'CLIP_CLASSIFY_CACHE';

/** Bytes of an optimised graph for each byte of weights: half precision becomes single, channels are filled up to whole vectors. */
const GROWTH = 3;

/**
 * A convolutional graph as onnxruntime optimises it for this processor: constants are computed, weights lie in the order of
 * its vector units. That takes three quarters of the time in which such a graph opens, so it is done once and kept in this
 * tool's cache, with the weights that were converted of the same checkpoint. Another processor, onnxruntime or version of
 * this package has a file of its own.
 *
 * @param plain the graph as this package writes it
 * @param onCacheTrouble is told why nothing can be kept: then the plain graph is opened, which takes longer
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
          await rm(`${path}${UNFINISHED}`, { recursive: true, force: true }); // of a process that was killed
          await write(await plain(), path, checkpoint);
          await removeConverted(checkpoint.file, env, folder); // of the checkpoint as it was before
        });
      });
    }
    return { path, isOptimized: true };
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    onCacheTrouble?.(error);
    return plain();
  }
}

/** Everything that an optimised graph depends on, beside the checkpoint. */
async function nameOfKind(): Promise<string> {
  const facts = [FORMAT, await packageVersion(), runtimeVersion(), ...processorFacts()];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

/** Behind the name of the folder that a graph is written in. Only the holder of the lock writes. */
const UNFINISHED = '.tmp';

const weightsOf = (path: string) => `${path}.weights`;

async function isWhole(path: string): Promise<boolean> {
  return (await isIntact(path)) && (await isIntact(weightsOf(path)));
}

/** A file that is being read is never cut, and a file that is there is whole. */
async function write(graph: Graph, path: string, checkpoint: Checkpoint): Promise<void> {
  const folder = `${path}${UNFINISHED}`;
  const [bytes, weights] = [join(folder, basename(path)), join(folder, basename(weightsOf(path)))];
  await makeFolder(folder);
  try {
    await requireSpace(folder, GROWTH * bytesOf(checkpoint), VARIABLE);
    await saveOptimized(graph, bytes, basename(weights));
    for (const [from, to] of [
      [weights, weightsOf(path)],
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

/** Bytes of the weights that are in a checkpoint. */
function bytesOf({ tensors }: Checkpoint): number {
  return [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

async function settle(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
