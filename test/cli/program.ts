import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fixture, repository } from '../paths.ts';

/** The built program (npm test builds before it runs the tests). */
export const bin = join(repository, 'bin/clip-classify.js');

/** Root may read and write everything. Behind this command it has no capabilities and is a user like any other. */
export const HUMBLE = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];

export const TINY = ['-l', 'cat,dog', '-m', fixture('tiny-class')];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program in a process and session of its own, so that all that it starts can be found. */
export function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [bin, ...args], { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }) as Ended);
  return { child, ended };
}

/** The processes that are left in the session of a process of {@link start}. */
export function leftOver({ pid }: ChildProcess): string[] {
  try {
    return execFileSync('ps', ['-o', 'pid=,stat=,args=', '-s', String(pid)], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.trim() !== '' && !/^\s*\d+ Z/.test(line));
  } catch {
    return []; // ps ends with 1 if it finds no process
  }
}

/** A folder of hard links to one image: cheap, and each a file of its own. */
export async function manyImages(folder: string, count: number): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths = Array.from({ length: count }, (_, n) => join(folder, `${String(n).padStart(6, '0')}.png`));
  const [first = '', ...others] = paths;
  await copyFile(fixture('images/rgb.png'), first);
  for (const path of others) await link(first, path);
  return paths;
}

export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Numbers in [0, 1) that are the same in every run (Park and Miller's generator). */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** The images of JSON lines. Throws if a line is partial. */
export function imagesOf(jsonl: string): string[] {
  return jsonl
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { image: string }).image);
}
