import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { RETRY_POLICY, type RetryPolicy } from '../../src/hub/retry.ts';

/** The real rules with shorter times, in milliseconds, but also with five tries. */
export const hasty: RetryPolicy = { ...RETRY_POLICY, backoffMs: 5, longestWaitMs: 2000, stallMs: 800, noticeMs: 100 };

/** An own home folder, and the variables that point there. */
export async function newHome(endpoint: string): Promise<{
  readonly folder: string;
  readonly env: Record<string, string>;
  readonly hub: string;
  remove(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-'));
  return {
    folder,
    hub: join(folder, 'hf', 'hub'),
    env: { HOME: folder, HF_HOME: join(folder, 'hf'), CLIP_CLASSIFY_CACHE: join(folder, 'own'), HF_ENDPOINT: endpoint },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Every file and link under a folder: `path`, `path -> target`, sorted. */
export async function treeOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const lines = entries
    .filter((entry) => !entry.isDirectory())
    .map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const target = (await lstat(path)).isSymbolicLink() ? ` -> ${await readlink(path)}` : '';
      return relative(folder, path) + target;
    });
  return (await Promise.all(lines)).sort();
}

export const read = (path: string) => readFile(path).catch(() => undefined);
