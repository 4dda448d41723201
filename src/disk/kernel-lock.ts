import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';

/** Milliseconds to wait, because a network file system without its lock server never answers. */
const PATIENCE_MS = 5000;

/**
 * Locks an open file in the kernel (flock), without waiting. Every other process sees the lock, also in other containers and under other
 * names of the file. The lock ends with the last process that has the file open.
 *
 * Node has no flock. The command `flock` (util-linux, busybox) locks a descriptor that it inherits. The file stays locked when the
 * command ends, because this process has the same file open.
 *
 * @returns 'unknown' if this system or file system has no such lock
 */
export async function kernelLock({ fd }: FileHandle): Promise<'held' | 'busy' | 'unknown'> {
  try {
    const flock = spawn('flock', ['-x', '-n', '3'], {
      stdio: ['ignore', 'ignore', 'pipe', fd],
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    let said = '';
    flock.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const [code] = (await once(flock, 'close')) as [number | null];
    if (code === 0) return 'held';
    return code === 1 && said === '' ? 'busy' : 'unknown';
  } catch {
    return 'unknown'; // there is no such command, or no process can be started
  }
}
