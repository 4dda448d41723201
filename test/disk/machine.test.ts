import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usableCores, usableMemory } from '../../src/disk/machine.ts';
import { canMount } from '../cli/disks.ts';
import { bin, manyImages } from '../cli/program.ts';
import { fixture } from '../paths.ts';

describe('this machine', () => {
  it('has at least one core, and no more than the system says', () => {
    expect(usableCores()).toBeGreaterThanOrEqual(1);
    expect(usableCores()).toBeLessThanOrEqual(availableParallelism());
  });

  it('has memory, and no more than the system says', () => {
    expect(usableMemory()).toBeGreaterThan(0);
    expect(usableMemory()).toBeLessThanOrEqual(totalmem());
  });

  it('has the cores of its cgroup, if one can be made (Linux as root; otherwise nothing is tested)', () => {
    const program = `import { usableCores, usableMemory } from ${JSON.stringify(new URL('../../dist/disk/machine.js', import.meta.url).href)};
      console.log(usableCores(), usableMemory() <= 300e6)`;
    const script = `root=/sys/fs/cgroup; for one in cpu memory; do
        mkdir $root/$one/machine-$$ 2>/dev/null || exit 77; done
      trap 'echo $$ > $root/cpu/cgroup.procs; echo $$ > $root/memory/cgroup.procs; rmdir $root/cpu/machine-$$ $root/memory/machine-$$' EXIT
      echo 100000 > $root/cpu/machine-$$/cpu.cfs_quota_us || exit 77
      echo 300000000 > $root/memory/machine-$$/memory.limit_in_bytes || exit 77
      echo $$ > $root/cpu/machine-$$/cgroup.procs; echo $$ > $root/memory/machine-$$/cgroup.procs
      "${process.execPath}" --input-type=module -e "$PROGRAM"`;
    let said: string;
    try {
      said = execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, PROGRAM: program } });
    } catch (error) {
      if ((error as { status?: number }).status === 77) return;
      throw error;
    }
    expect(said).toBe('1 true\n');
  });
});

/** The files of cgroup v2, as kernel 6.1 writes them for a process in /jobs/night. */
const V2: Readonly<Record<string, string>> = {
  'proc/self/cgroup': '0::/jobs/night\n',
  'sys/fs/cgroup/jobs/cpu.max': 'max 100000\n',
  'sys/fs/cgroup/jobs/memory.max': 'max\n',
  'sys/fs/cgroup/jobs/night/cpu.max': 'max 100000\n',
  'sys/fs/cgroup/jobs/night/memory.max': 'max\n',
};

describe('a cgroup of version 2', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cgroup-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  async function root(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name, path)), { recursive: true });
      await writeFile(join(folder, name, path), text);
    }
    return join(folder, name);
  }

  it.each([
    ['no quota', {}, availableParallelism()],
    ['half a core', { 'sys/fs/cgroup/jobs/night/cpu.max': '50000 100000\n' }, 1],
    ['one core of another period', { 'sys/fs/cgroup/jobs/night/cpu.max': '20000 20000\n' }, 1],
    ['the quota of its parent', { 'sys/fs/cgroup/jobs/cpu.max': '100000 100000\n' }, 1],
    ['a thousand cores', { 'sys/fs/cgroup/jobs/night/cpu.max': '100000000 100000\n' }, availableParallelism()],
  ])('has the cores of cpu.max: %s', async (name, files, cores) => {
    expect(usableCores(await root(name, { ...V2, ...files }))).toBe(cores);
  });

  it('has the memory of memory.max, also of its parent', async () => {
    const own = await root('own', { ...V2, 'sys/fs/cgroup/jobs/night/memory.max': '1000000\n' });
    const above = await root('above', { ...V2, 'sys/fs/cgroup/jobs/memory.max': '2000000\n' });
    expect([usableMemory(own), usableMemory(above)]).toEqual([1_000_000, 2_000_000]);
  });

  it.skipIf(!canMount)(
    'decides the number of worker processes of a run (skipped if nothing can be mounted)',
    async () => {
      const files = { 'cpu.max': '100000 100000\n' };
      const group = await root('mounted', files);
      const images = join(folder, 'images');
      await manyImages(images, 2_000);
      const script = 'mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"';
      const args = [process.execPath, bin, images, '-l', 'cat,dog', '-m', fixture('tiny-class'), '-f', 'jsonl'];
      const child = spawn('unshare', ['--mount', 'bash', '-c', script, 'bash', group, ...args]);
      await once(child.stdout, 'data');
      const list = execFileSync('ps', ['-o', 'args=', '--ppid', String(child.pid)], { encoding: 'utf8' });
      child.kill('SIGTERM');
      await once(child, 'exit');
      expect(list.split('\n').filter((line) => line.includes('image-encoder.js'))).toHaveLength(1);
    },
  );
});
