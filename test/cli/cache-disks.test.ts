import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { canMount, onSmallDisk, remount } from './disks.ts';
import { bin, HUMBLE } from './program.ts';

const IMAGES = ['rgb.png', 'odd.jpg'].map((name) => fixture(`images/${name}`));
const ARGS = [bin, ...IMAGES, '-l', 'cat,dog', '-m', fixture('tiny-class'), '--dtype', 'int8', '--cache-images'];
const BARE_DISK = new URL('bare-disk.mjs', import.meta.url).href;
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

describe.skipIf(!canMount)(
  'a cache on a disk that cannot be written (skipped if no file system can be mounted)',
  () => {
    it.each([
      ['is full', 'size=16k', async (disk: string) => writeFile(join(disk, 'large'), Buffer.alloc(16_384)), 'no space'],
      [
        'has no inodes left',
        'nr_inodes=3',
        async (disk: string) => Promise.all(['a', 'b'].map((name) => writeFile(join(disk, name), ''))),
        'no space',
      ],
      ['is read-only', 'size=1m', async (disk: string) => remount(disk, 'ro'), 'read-only'],
    ])('because it %s costs time only, and a note with --verbose', async (name, options, prepare, why) => {
      const disk = join(folder, name);
      await onSmallDisk(disk, options, async () => {
        await prepare(disk);
        const { code, stdout, stderr } = await run(disk, ['--verbose']);
        expect([code, stdout]).toEqual([0, truth.stdout]);
        expect(stderr).toMatch(new RegExp(`^nothing is cached: .*${why}`, 'mu'));
      });
    });
  },
);

describe.skipIf(!isRoot)('a cache that another user wrote (skipped unless root runs the tests)', () => {
  it.each([
    ['the folder', (cache: string) => cache],
    ['a folder in it', (cache: string) => join(cache, 'embeddings')],
  ])('costs time and one warning, if %s belongs to the other user', async (name, at) => {
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

describe('a file system without hard links, on a system without kernel locks', () => {
  /** Without PATH there is no command `flock`. */
  const bare = (args: readonly string[]) => {
    const env = { CLIP_CLASSIFY_CACHE: join(folder, 'bare'), PATH: '', NODE_OPTIONS: `--import ${BARE_DISK}` };
    return new Promise<number>((done) =>
      execFile(process.execPath, args, { env }, (error) => done(error === null ? 0 : Number(error.code))),
    );
  };

  it('has the same rows, also if a run with --resume takes the lock of a killed run', async () => {
    const output = join(folder, 'bare.jsonl');
    const args = [...ARGS, '-o', output, '--resume'];
    expect(await bare(args)).toBe(0);
    expect(await readFile(output, 'utf8')).toBe(truth.stdout);
    const dead = { pid: 4_194_300, host: hostname(), kernel: false, id: 'dead' };
    const [boot, space] = [
      await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
      await readlink('/proc/self/ns/pid').catch(() => ''),
    ];
    await writeFile(
      `${output}.run.lock`,
      JSON.stringify({ ...dead, ...(boot && { boot: boot.trim() }), ...(space && { space }) }),
    );
    expect(await bare(args)).toBe(0);
    expect(await readFile(output, 'utf8')).toBe(truth.stdout);
  }, 30_000);
});
