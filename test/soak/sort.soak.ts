import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { link, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { manifestPath } from '../../src/sorting/manifest.ts';
import { bin, dice, pause } from '../cli/program.ts';

const FILES = 10_000;
/** The runs that are killed: of a move, which can lose a picture, and of the others. */
const [KILLS, OTHER_KILLS] = [30, 10];
const UNDO_KILLS = 5;
const BUDGET = 1_200_000;

let folders: string[] = [];
afterEach(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
  folders = [];
});

async function newFolder(at: string): Promise<string> {
  const folder = await mkdtemp(join(at, 'sort-soak-'));
  folders.push(folder);
  return folder;
}

/** Each file below a folder: sha256 or target of a link, mode, microseconds of its time of change, number of hard links. */
async function snapshot(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode, mtimeNs, nlink } = await lstat(path, { bigint: true });
    const content = entry.isSymbolicLink()
      ? 'link'
      : createHash('sha256')
          .update(await readFile(path))
          .digest('hex');
    found.set(relative(root, path), `${content} ${mode} ${mtimeNs / 1000n} ${nlink}`);
  }
  return found;
}

/** 10,000 pictures of few bytes, each of its own content and time; some are hard links, and one is a symbolic link. */
async function fill(folder: string): Promise<{ photos: string; rows: string }> {
  const photos = join(folder, 'photos');
  const lines: string[] = [];
  for (let n = 0; n < FILES; n++) {
    const name = join(photos, `${n % 50}`, `${n}.jpg`);
    if (n < 50) await mkdir(join(photos, `${n}`), { recursive: true });
    await writeFile(name, `picture ${n} `.repeat(1 + (n % 40)));
    await utimes(name, 1_600_000_000, 1_600_000_000 + n + 0.123456);
    lines.push(JSON.stringify({ image: name, label: `label ${n % 12}` }));
  }
  await link(join(photos, '0/0.jpg'), join(photos, '0/second-name.txt'));
  await symlink('0.jpg', join(photos, '0/link.jpg'));
  const rows = join(folder, 'rows.jsonl');
  await writeFile(rows, `${lines.join('\n')}\n`);
  return { photos, rows };
}

/** @returns the exit code; null if it was killed */
async function sort(args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [bin, 'sort', ...args, '--quiet'], { stdio: 'ignore' });
  return ((await once(child, 'exit')) as [number | null])[0];
}

/** Kills a run so many milliseconds after it began to change files. @returns the exit code; null if it was killed */
async function sortKilled(args: readonly string[], target: string, delay: number): Promise<number | null> {
  const size = async () => (await stat(manifestPath(target)).catch(() => undefined))?.size ?? 0;
  const before = await size();
  const child = spawn(process.execPath, [bin, 'sort', ...args, '--quiet'], { stdio: 'ignore' });
  const ended = once(child, 'exit') as Promise<[number | null]>; // a fast run may be over before it is killed
  while (child.exitCode === null && (await size()) === before) await pause(5);
  await pause(delay);
  child.kill('SIGKILL');
  return (await ended)[0];
}

const isOtherDevice = async (a: string, b: string) => (await stat(a)).dev !== (await stat(b)).dev;

describe(`sort over ${FILES} files, killed at random moments`, () => {
  it.each([
    { how: '--move', at: tmpdir(), where: 'the same file system' },
    { how: '--move', at: '/dev/shm', where: 'another file system (tmpfs)' },
    { how: '--copy', at: tmpdir(), where: 'the same file system' },
    { how: '--copy', at: '/dev/shm', where: 'another file system (tmpfs)' },
    { how: '--link=hard', at: tmpdir(), where: 'the same file system' },
    { how: '--link=symbolic', at: tmpdir(), where: 'the same file system' },
    { how: '--link=symbolic', at: '/dev/shm', where: 'another file system (tmpfs)' },
  ])(
    '$how to $where: nothing lost, nothing doubled, and undo puts everything back',
    async ({ how, at, where }) => {
      const kills = how === '--move' ? KILLS : OTHER_KILLS;
      const { photos, rows } = await fill(await newFolder(tmpdir()));
      const target = join(await newFolder(at), 'sorted');
      if (at !== tmpdir()) expect(await isOtherDevice(photos, at)).toBe(true);
      const before = await snapshot(photos);
      const roll = dice(FILES + how.length);
      const line = ['--from', rows, '--to', target, '--apply', how];
      let killed = 0;
      for (let n = 0; n < kills; n++) if ((await sortKilled(line, target, roll() * 600)) === null) killed++;
      expect(killed).toBeGreaterThan(0);
      const known = new Set(
        [...before].flatMap(([name, facts]) => (name.endsWith('.txt') ? [] : [facts.split(' ')[0]])),
      );
      const there = new Set(
        [...(await snapshot(photos)), ...(await snapshot(target))].map(([, facts]) => facts.split(' ')[0]),
      );
      const lost = [...known].filter((content) => !there.has(content));
      expect({ lost }).toEqual({ lost: [] });
      expect(await sort(line)).toBe(0);
      const sorted = [...(await snapshot(target)).keys()].filter((name) => name.endsWith('.jpg'));
      expect(sorted.length).toBe(FILES);
      let undosKilled = 0;
      for (let n = 0; n < UNDO_KILLS; n++)
        if ((await sortKilled(['--undo', target], target, roll() * 600)) === null) undosKilled++;
      expect(await sort(['--undo', target])).toBe(0);
      expect([...(await snapshot(photos))].sort()).toEqual([...before].sort());
      expect(await readdir(target)).toEqual([]);
      process.stderr.write(
        `${how} to ${where}: ${killed} of ${kills} runs and ${undosKilled} of ${UNDO_KILLS} undos were killed before their end; ${before.size} files as before\n`,
      );
    },
    BUDGET,
  );
});
