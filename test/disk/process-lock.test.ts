import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nameOfProcess, stateOfNamed } from '../../src/disk/holder.ts';
import { NotALock, takeLock } from '../../src/disk/process-lock.ts';
import { repository } from '../paths.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterAll(() => rm(folder, { recursive: true }));

const HOLD = `
  import { takeLock } from './src/disk/process-lock.ts';
  const lock = await takeLock(process.argv[1]);
  console.log(lock === undefined ? 'refused' : 'held');
  if (lock !== undefined) setInterval(() => {}, 1000);`;

/** A process that takes a lock and keeps it. */
async function holder(path: string, through: readonly string[] = []) {
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', HOLD, path];
  const [command = '', ...args] = [...through, ...node];
  const child = spawn(command, args, { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

const has = (command: string, ...args: string[]) => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('a lock', () => {
  it('is refused while a stopped process holds it, and free when that process is killed', async () => {
    const path = join(folder, 'stopped.lock');
    const { child, said } = await holder(path);
    expect(said).toBe('held');
    child.kill('SIGSTOP');
    expect(await takeLock(path)).toBeUndefined();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await takeLock(path);
    expect(lock?.seized).toBe(false);
    await lock?.release();
    expect(await readFile(path).catch(({ code }) => code)).toBe('ENOENT');
  }, 60_000);

  it.skipIf(!has('unshare', '--pid', '--fork', 'true'))(
    'is refused to a process of another PID namespace (skipped where there are none)',
    async () => {
      const path = join(folder, 'namespace.lock');
      const lock = await takeLock(path);
      const { said } = await holder(path, ['unshare', '--pid', '--fork', '--mount-proc']);
      expect(said).toBe('refused');
      await lock?.release();
    },
    60_000,
  );

  it('is lost if its file is replaced', async () => {
    const path = join(folder, 'lost.lock');
    const lock = await takeLock(path);
    expect(await lock?.isHeld()).toBe(true);
    await rm(path);
    await writeFile(path, '{}');
    expect(await lock?.isHeld()).toBe(false);
    await lock?.release();
    expect(await readFile(path, 'utf8')).toBe('{}');
  });

  it.each([0, 1_900_000_000])(
    'is taken over from a file of %d bytes that names no holder, in little memory',
    async (size) => {
      const path = join(folder, 'empty.lock');
      await writeFile(path, '');
      await truncate(path, size);
      const before = process.resourceUsage().maxRSS;
      const lock = await takeLock(path);
      expect(lock).toBeDefined();
      expect(process.resourceUsage().maxRSS - before).toBeLessThan(200_000); // kilobytes
      await lock?.release();
    },
    20_000,
  );

  it('names a folder or a link with the name of the lock file', async () => {
    await mkdir(join(folder, 'folder.lock'));
    await symlink('nowhere/at/all', join(folder, 'link.lock'));
    for (const name of ['folder.lock', 'link.lock'])
      await expect(takeLock(join(folder, name))).rejects.toBeInstanceOf(NotALock);
  });
});

describe('the process in the name of a file', () => {
  it('is alive, dead or unknown', async () => {
    const name = await nameOfProcess();
    const [place, pid] = name.split('-');
    expect(await stateOfNamed(name)).toBe('alive');
    expect(await stateOfNamed(`${place}-${pid}-1`)).toBe('dead'); // a later process has the same pid
    expect(await stateOfNamed(`00000000-${pid}-1`)).toBe('unknown'); // a process of another machine, boot or container
    const { pid: ended } = spawnSync(process.execPath, ['-e', '']);
    expect(await stateOfNamed(`${place}-${ended}-1`)).toBe('dead');
  });
});
