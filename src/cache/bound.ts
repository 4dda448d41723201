import { rm } from 'node:fs/promises';
import { segmentFiles } from './segment-files.ts';

/**
 * Deletes the segments that no run used for the longest time, until the rest has at most `limit` bytes. A run that reads a deleted
 * segment keeps it open. A segment that is being written stays.
 *
 * @param parent the folder of all stores
 */
export async function dropOldSegments(parent: string, limit: number): Promise<void> {
  if (limit === Number.POSITIVE_INFINITY) return;
  const files = await segmentFiles(parent);
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size, isFinished } of files.sort((a, b) => a.lastUsed - b.lastUsed)) {
    if (bytes <= limit) break;
    if (!isFinished) continue;
    await rm(path, { force: true }).catch(() => {}); // it belongs to another user
    bytes -= size;
  }
}
