import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env as processEnv } from 'node:process';
import type { Env } from '../disk/environment.ts';
import { usableMemory } from '../disk/machine.ts';
import { formatSize } from '../disk/size.ts';
import type { ModelDescription } from '../model/description.ts';
import { PROCESSES } from './encoder.ts';
import type { Launch } from './encoder-process.ts';
import { memoryLimit } from './memory.ts';
import type { TimeLimits } from './watchdog.ts';

/** Seconds without progress after which a worker process counts as stuck. */
export const TIMEOUT = 10;

/** Seconds that are enough to find out that an unknown graph needs too much memory. */
const FIRST_SECONDS = 8;

/** Bytes that a process needs besides the weights to decode and run ordinary photographs. */
const PROCESS_BYTES = 150_000_000;

/** How the worker processes of a model are started and watched. */
export type Keeping = TimeLimits & Launch;

/** The memory of a foreign model (ONNX files from elsewhere) is limited by the size of all files next to its graph. */
export async function keepingOf(
  { weightFile, contents }: ModelDescription,
  { timeout = TIMEOUT, env, signal }: { readonly timeout?: number; readonly env?: Env; readonly signal?: AbortSignal },
): Promise<Keeping> {
  const isForeign = contents.kind === 'onnx';
  const weightBytes = isForeign ? await bytesIn(dirname(weightFile)) : (await stat(weightFile)).size;
  const limits = isForeign && { memory: memoryLimit(weightBytes), first: FIRST_SECONDS };
  return { env: { ...processEnv, ...env }, timeout, weightBytes, signal, ...limits };
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(
    async (name) => (await stat(join(folder, name)).catch(() => ({ size: 0 }))).size,
  );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}

/** Bytes of memory for worker processes and this one. Each worker has its own copy of the weights. */
export function memoryFor(processes: number, weightBytes: number): number {
  return weightBytes * processes + PROCESS_BYTES * (processes + 1);
}

/** How many worker processes there is memory for: {@link PROCESSES}, or one. @param tell called if it is one */
export function processesFor({ weightBytes }: Keeping, tell: (message: string) => void = () => {}): number {
  const [needed, usable] = [memoryFor(PROCESSES, weightBytes), usableMemory()];
  if (usable > needed) return PROCESSES;
  tell(
    `one worker process encodes the images, because two need about ${formatSize(needed)} of memory and ${formatSize(usable)} are available`,
  );
  return 1;
}

/** Milliseconds that the text graph stays open after its last use. */
const TEXTS_KEPT_MS = 300_000;

/** {@link TEXTS_KEPT_MS}, or 0 if there is no memory for the text graph next to the processes that encode images. */
export function textsKeptFor({ weightBytes }: Keeping, processes: number): number {
  return usableMemory() > memoryFor(processes + 1, weightBytes) ? TEXTS_KEPT_MS : 0;
}
