import { join } from 'node:path';
import { NotALock, type ProcessLock, takeLock } from '../disk/process-lock.ts';
import { OutputError } from '../errors.ts';
import type { Path } from '../inputs/path.ts';

/**
 * Locks a target folder, because only one run at a time may sort into it or undo a sort: both change the manifest.
 *
 * @throws OutputError if another run has the lock; errors of node:fs if the folder cannot be written
 */
export async function lockTarget(target: Path): Promise<ProcessLock> {
  const path = join(target, '.clip-classify-sort.lock');
  const lock = await takeLock(path).catch((error: unknown) => {
    if (error instanceof NotALock) throw new OutputError(error.message, 'remove it', error);
    throw error;
  });
  if (lock !== undefined) return lock;
  throw new OutputError(`another run is sorting into ${target}`, 'wait until it ends, or use another folder');
}
