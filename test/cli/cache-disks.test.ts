import { execFile, execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { bin } from './program.ts';

const IMAGES = ['rgb.png', 'odd.jpg'].map((name) => fixture(`images/${name}`));
const ARGS = [bin, ...IMAGES, '-l', 'cat,dog', '-m', fixture('tiny-class'), '--dtype', 'int8', '--cache-images'];
const isRoot = process.getuid?.() === 0;

let folder: string;
let truth: Ended;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'disks-'));
  truth = await run(join(folder, 'good'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program in a process of its own. @param through commands that start it */
function run(cache: string, more: readonly string[] = [], through: readonly string[] = []): Promise<Ended> {
  const [command = '', ...args] = [...through, process.execPath, ...ARGS, ...more];
  const env = { ...process.env, CLIP_CLASSIFY_CACHE: cache };
  return new Promise((done) =>
    execFile(command, args, { env }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    ),
  );
}

const canMount = (() => {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!canMount)('a cache on a disk that takes nothing (skipped where no file system may be mounted)', () => {
  it.each([
    ['is full', 'size=16k', async (disk: string) => writeFile(join(disk, 'large'), Buffer.alloc(16_384)), 'no space'],
    [
      'has no inodes left',
      'nr_inodes=3',
      async (disk: string) => Promise.all(['a', 'b'].map((name) => writeFile(join(disk, name), ''))),
      'no space',
    ],
    [
      'is mounted to be read',
      'size=1m',
      async (disk: string) => execFileSync('mount', ['-o', 'remount,ro', disk]),
      'read-only',
    ],
  ])('and %s costs time only, and a note with --verbose', async (name, options, prepare, why) => {
    const disk = join(folder, name);
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]);
    try {
      await prepare(disk);
      const { code, stdout, stderr } = await run(disk, ['--verbose']);
      expect([code, stdout]).toEqual([0, truth.stdout]);
      expect(stderr).toMatch(new RegExp(`^nothing is cached: .*${why}`, 'mu'));
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe.skipIf(!isRoot)('a cache that another user wrote (skipped unless root runs the tests)', () => {
  /** Without its capabilities, root is a user like any other. */
  const HUMBLE = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];

  it.each([
    ['the folder', (cache: string) => cache],
    ['a folder in it', (cache: string) => join(cache, 'embeddings')],
  ])('costs time and one warning, where %s is the other user’s', async (name, at) => {
    const cache = join(folder, `other user, ${name}`);
    await mkdir(at(cache), { recursive: true });
    await chmod(at(cache), 0o700);
    await chown(at(cache), 12_345, 12_345);
    const { code, stdout, stderr } = await run(cache, [], HUMBLE);
    expect([code, stdout]).toEqual([0, truth.stdout]);
    const warning = `clip-classify: warning: ${at(cache)} belongs to another user, so nothing is cached; `;
    expect(stderr.startsWith(warning)).toBe(true);
    expect(stderr.slice(stderr.indexOf('\n') + 1)).toBe(truth.stderr);
    expect((await run(cache, ['--quiet'], HUMBLE)).stderr).toBe('');
    expect(await readdir(at(cache))).toEqual([]);
  });
});
