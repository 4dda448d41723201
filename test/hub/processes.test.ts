import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeHolder } from '../../src/disk/holder.ts';
import { canShiftClocks, shiftClocks, shiftedBy } from '../clock.ts';
import { repository as checkout } from '../paths.ts';
import { newHome, read, treeOf } from './cache.ts';
import { gitSha1, type LoopbackHub, repository, sha256, startHub } from './server.ts';

const REPO = 'acme/big';
const weights = new Uint8Array(randomBytes(8_000_000));
const config = Buffer.from('{"projection_dim": 512}');
const repo = repository(
  new Map([
    ['config.json', config],
    ['model.safetensors', weights],
    ['preprocessor_config.json', Buffer.from('{}')],
    ['tokenizer.json', Buffer.from('{ }')],
  ]),
);
const SIZE = [...repo.files.values()].reduce((sum, { length }) => sum + length, 0);
const BLOBS = [...repo.files].map(([path, body]) => (path === 'model.safetensors' ? sha256(body) : gitSha1(body)));

let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
let blobs: string;
beforeEach(async () => {
  hub = await startHub({ [REPO]: repo });
  home = await newHome(hub.endpoint);
  blobs = join(home.hub, 'models--acme--big/blobs');
});
afterEach(async () => {
  await hub.close();
  await home.remove();
});

/** A pull in a process of its own, from the build (npm test builds before it runs the tests). */
function pull(env: Record<string, string> = {}): ChildProcess {
  const module = JSON.stringify(join(checkout, 'dist/hub/pull.js'));
  const code = `import(${module}).then(({ pullModel }) => pullModel(${JSON.stringify(REPO)}, { env: process.env }))`;
  return spawn(process.execPath, ['-e', code], {
    env: { ...home.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
const sent = () => hub.seen.filter(({ url }) => !url.startsWith('/api/')).reduce((sum, seen) => sum + seen.sent, 0);
/** Bytes of the weights on disk. */
const arrived = async () => {
  const names = (await treeOf(blobs)).filter((name) => name.endsWith('.incomplete'));
  return Math.max(0, ...(await Promise.all(names.map(async (name) => (await stat(join(blobs, name))).size))));
};
const until = async (done: () => Promise<boolean>) => {
  for (const end = performance.now() + 20_000; !(await done()) && performance.now() < end; ) await sleep(2);
};
const leftovers = async () =>
  (await treeOf(home.folder)).filter((path) => /\.incomplete$|\.lock$|\.lock\.[0-9a-f]|\.tmp$/.test(path));

describe('a pull in several processes', () => {
  it('continues after kill -9 at ten points, without downloading anything twice', async () => {
    for (let point = 0; point < 10; point++) {
      // A tenth each time, then silence, because bytes in transit are lost when a process dies.
      const piece = point === 0 ? 1 : Math.floor(SIZE / 10);
      hub.fault = ({ server }) => (server === 'cdn' ? { kind: 'stall', bytes: piece } : undefined);
      const [child, goal] = [pull(), sent() + piece];
      const exit = once(child, 'exit');
      await until(async () => sent() >= goal && (await arrived()) >= (SIZE / 10) * point * 0.98);
      child.kill('SIGKILL');
      expect(await exit).toEqual([null, 'SIGKILL']);
      expect(await read(join(blobs, sha256(weights)))).toBeUndefined();
    }
    hub.fault = () => undefined;
    const [code] = await once(pull(), 'exit');
    expect(code).toBe(0);
    expect(sent()).toBeLessThanOrEqual(SIZE * 1.1);
    expect(sha256((await read(join(blobs, sha256(weights)))) as Uint8Array)).toBe(sha256(weights));
    expect(await leftovers()).toEqual([]);
  });

  it('makes one good file if six processes pull at once, and downloads it once', async () => {
    hub.fault = ({ server }) => (server === 'cdn' ? { kind: 'slow', bytes: 65_536, everyMs: 2 } : undefined);
    const codes = await Promise.all(Array.from({ length: 6 }, async () => (await once(pull(), 'exit'))[0]));
    expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
    expect(sent()).toBe(SIZE);
    expect(await treeOf(blobs)).toEqual(BLOBS.sort());
    expect(sha256((await read(join(blobs, sha256(weights)))) as Uint8Array)).toBe(sha256(weights));
    expect(await leftovers()).toEqual([]);
  });

  it('makes one good file even if locks do not work', async () => {
    const locks = join(home.hub, '.locks/models--acme--big');
    const thief = setInterval(async () => {
      for (const name of await readdir(locks).catch(() => [])) await rm(join(locks, name), { force: true });
    }, 30);
    const codes = await Promise.all(Array.from({ length: 4 }, async () => (await once(pull(), 'exit'))[0]));
    clearInterval(thief);
    expect(codes).toEqual([0, 0, 0, 0]);
    expect(await treeOf(blobs)).toEqual(BLOBS.sort());
    expect(sha256((await read(join(blobs, sha256(weights)))) as Uint8Array)).toBe(sha256(weights));
  });

  it.skipIf(!canShiftClocks)(
    'makes one good file while the clock jumps by an hour, forward and back (skipped without libfaketime)',
    async () => {
      const clock = join(home.folder, 'clock');
      /** A file can be renamed while the folder is listed. */
      const reaches = (share: number) => until(async () => (await arrived().catch(() => 0)) > SIZE * share);
      await shiftClocks(clock, 0);
      hub.fault = ({ server }) => (server === 'cdn' ? { kind: 'slow', bytes: 65_536, everyMs: 5 } : undefined);
      const killed = pull(shiftedBy(clock));
      const exit = once(killed, 'exit');
      await reaches(1 / 4);
      await shiftClocks(clock, 3600);
      await reaches(1 / 2);
      killed.kill('SIGKILL');
      await exit;
      await shiftClocks(clock, -3600); // the file of the killed process has a time in the future
      const before = sent();
      const codes = [pull(shiftedBy(clock)), pull(shiftedBy(clock))].map(
        async (child) => (await once(child, 'exit'))[0],
      );
      await reaches(3 / 4);
      await shiftClocks(clock, 3600);
      expect(await Promise.all(codes)).toEqual([0, 0]);
      expect(sent() - before).toBeLessThan(SIZE * 0.6); // it continued after the first half
      expect(sha256((await read(join(blobs, sha256(weights)))) as Uint8Array)).toBe(sha256(weights));
      expect(await leftovers()).toEqual([]);
    },
    20_000,
  );

  it('takes over the lock of a dead process within five seconds', async () => {
    const locks = join(home.hub, '.locks/models--acme--big');
    await mkdir(locks, { recursive: true });
    const { pid } = spawnSync(process.execPath, ['-e', '']); // it has ended
    const dead = JSON.stringify({ ...(await describeHolder(false)), pid });
    await writeFile(join(locks, `${sha256(weights)}.clip-classify.lock`), dead);
    await writeFile(join(locks, `${gitSha1(config)}.clip-classify.lock`), ''); // died before it wrote its name
    const start = performance.now();
    const [code] = await once(pull(), 'exit');
    expect(code).toBe(0);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(await leftovers()).toEqual([]);
  });
});
