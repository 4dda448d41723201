import { rm } from 'node:fs/promises';
import { segmentFiles } from './segment-files.ts';

/**
 * Deletes the segments that nothing used for the longest time until all of them have at most `limit` bytes. Whoever reads one
 * keeps it open; one that is being written stays.
 *
 * @param parent the folder of all stores
 * @returns the bytes that are left
 */
export async function dropOldSegments(parent: string, limit: number): Promise<number> {
  if (limit === Number.POSITIVE_INFINITY) return 0;
  const files = await segmentFiles(parent);
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size, isFinished } of files.sort((a, b) => a.lastUsed - b.lastUsed)) {
    if (bytes <= limit) break;
    if (!isFinished) continue;
    await rm(path, { force: true }).catch(() => {}); // it is another user's
    bytes -= size;
  }
  return bytes;
}
