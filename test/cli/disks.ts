import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';

/** Whether this process may mount a file system. */
export const canMount = (() => {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Mounts a tmpfs in a new folder while the work runs. @param options of mount, for example `size=64k` */
export async function onSmallDisk(folder: string, options: string, work: () => Promise<void>): Promise<void> {
  await mkdir(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  try {
    await work();
  } finally {
    execFileSync('umount', [folder]);
  }
}

/** Changes the options of a mounted file system. */
export function remount(folder: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, folder]);
}
