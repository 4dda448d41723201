import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rename, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { fixture } from '../paths.ts';
import { bin } from './program.ts';

const CHANGES = ['deleted', 'truncated', 'replaced'] as const;
type Change = 'none' | (typeof CHANGES)[number];

export interface Outcome {
  readonly exitCode: number;
  readonly rows: readonly { readonly image: string; readonly error?: { code: string }; readonly score?: number }[];
  /** The files in search order, and how each was changed during the run. */
  readonly files: readonly { readonly path: string; readonly change: Change }[];
}

/** Classifies a folder of `count` images; when the first rows are there, every fifth of its second half is changed. */
export async function classifyWhileChanging(count: number): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'changing-'));
  const files = Array.from({ length: count }, (_, n) => ({
    path: join(folder, `${String(n).padStart(6, '0')}.png`),
    change: changeOf(n, count),
  }));
  for (const { path } of files) await copyFile(fixture('images/rgb.png'), path);
  const options = ['-l', 'cat,dog', '-k', '1', '-m', fixture('tiny-class'), '--quiet'];
  const child = spawn(execPath, [bin, folder, ...options]);
  const closed = once(child, 'close');
  const rows: Outcome['rows'][number][] = [];
  let changing: Promise<unknown> | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    rows.push(JSON.parse(line));
    if (changing) continue;
    child.stdout.pause(); // unread output slows down the run, so that the changes come in time
    changing = change(folder, files).then(() => child.stdout.resume());
    await changing;
  }
  const [exitCode] = await closed;
  await rm(folder, { recursive: true });
  return { exitCode, rows, files };
}

function changeOf(n: number, count: number): Change {
  if (n < count / 2 || n % 5 !== 0) return 'none';
  return CHANGES[(n / 5) % CHANGES.length] ?? 'none';
}

async function change(folder: string, files: Outcome['files']): Promise<void> {
  for (const { path, change } of files) {
    if (change === 'deleted') await rm(path);
    else if (change === 'truncated') await truncate(path, 3000);
    else if (change === 'replaced') {
      await copyFile(fixture('images/rgba.png'), join(folder, 'new'));
      await rename(join(folder, 'new'), path);
    }
  }
}
