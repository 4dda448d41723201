import type { Env } from '../disk/environment.ts';
import { removeWeights, type WeightsFile, weightsFiles } from './weights-files.ts';

/** Weights that a run used within this time stay, because the run may open them again when it replaces a worker process. */
const IN_USE_MS = 24 * 3600 * 1000;

/**
 * The converted weights and optimised graphs to delete, so that the rest has at most `limit` bytes: those that no run used for the
 * longest time first, but nothing that a run used within a day.
 */
export function weightsOverLimit<T extends Pick<WeightsFile, 'size' | 'lastUsed'>>(
  files: readonly T[],
  limit: number,
): T[] {
  const over: T[] = [];
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const file of files.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
    if (bytes <= limit || Date.now() - file.lastUsed < IN_USE_MS) break;
    over.push(file);
    bytes -= file.size;
  }
  return over;
}

/** Deletes converted weights and optimised graphs over the limit. A file that cannot be deleted stays. */
export async function dropOldWeights(limit: number, env?: Env): Promise<void> {
  if (limit === Number.POSITIVE_INFINITY) return;
  for (const file of weightsOverLimit(await weightsFiles(env), limit)) await removeWeights(file);
}
