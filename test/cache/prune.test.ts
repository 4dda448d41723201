import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheItems } from '../../src/cache/inventory.ts';
import { clearCache, pruneCache } from '../../src/cache/prune.ts';
import { EmbeddingStore } from '../../src/cache/store.ts';
import { takeLock } from '../../src/disk/process-lock.ts';
import { hashAndRemember } from '../../src/disk/remembered-digest.ts';
import { convertedWeights } from '../../src/model/converted-weights.ts';
import { readModelFolder } from '../../src/model/folder.ts';
import { fixture, repository } from '../paths.ts';
import { entryOf, keyOf } from './entries.ts';

const COLUMNS = 512;
const DAY_S = 24 * 3600;

let folder: string;
let cache: string;
let env: { CLIP_CLASSIFY_CACHE: string };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'prune-'));
  cache = join(folder, 'cache');
  env = { CLIP_CLASSIFY_CACHE: cache };
});
afterEach(() => rm(folder, { recursive: true }));

const openStore = (model: string, limit = Number.POSITIVE_INFINITY) =>
  EmbeddingStore.open(
    join(cache, 'embeddings'),
    JSON.stringify({ kind: 'images', model }),
    (error) => {
      throw error;
    },
    { model, limit },
  );
/** Entries of 2,120 bytes each, under the keys from `from` to `to`. */
async function fill(model: string, from: number, to: number, limit?: number): Promise<void> {
  const store = await openStore(model, limit);
  for (let n = from; n < to; n++) store.put(entryOf(n, COLUMNS));
  await store.close();
}
async function use(model: string, n: number): Promise<boolean> {
  const store = await openStore(model);
  const found = store.get(keyOf(n));
  await store.close();
  return found !== undefined;
}
const segments = async () =>
  (await readdir(join(cache, 'embeddings'), { recursive: true }))
    .filter((name) => /\.(emb|part)$/u.test(name))
    .map((name) => join(cache, 'embeddings', name));
async function age(days: number): Promise<void> {
  const time = Date.now() / 1000 - days * DAY_S;
  for (const path of await segments()) await utimes(path, time, time);
}
async function convert(): Promise<string> {
  const model = join(folder, 'my-clip');
  await cp(fixture('tiny-class'), model, { recursive: true });
  const { checkpoint } = await readModelFolder(model);
  return (await convertedWeights(checkpoint, 'image', 'int8', env)).checkpoint.file;
}
/** Every path below a folder, with what lies there. */
async function contents(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(root, { recursive: true })).sort()) {
    const info = await lstat(join(root, name));
    found[name] = info.isFile() ? await readFile(join(root, name), 'latin1') : String(info.mode);
  }
  return found;
}

describe('the limit of embeddings', () => {
  it('deletes what no run used for the longest time, in any store', async () => {
    await fill('old', 0, 20);
    await age(2);
    await fill('mid', 0, 20);
    for (const path of await segments()) if (!(await isOld(path))) await utimes(path, ...daysAgo(1));
    expect(await use('old', 3)).toBe(true); // now it is the one used last
    await fill('new', 0, 20, 100_000); // three stores of 42 KB
    expect([await use('old', 3), await use('mid', 3), await use('new', 3)]).toEqual([true, false, true]);
  });

  it('holds during a large run, and keeps its last images', async () => {
    const limit = 5_000_000; // 8.5 MB come
    const store = await openStore('big', limit);
    for (let n = 0; n < 4000; n++) store.put(entryOf(n, COLUMNS));
    await store.close();
    const items = await cacheItems(env);
    const bytes = items.reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThanOrEqual(limit);
    expect(bytes).toBeGreaterThan(0);
    expect([await use('big', 0), await use('big', 3999)]).toEqual([false, true]);
  });
});

describe('the limit of converted weights', () => {
  /** Int8 weights of a copy of the model, last used some days ago. */
  async function convertCopy(name: string, days: number, limit: string): Promise<string> {
    const model = join(folder, name);
    await cp(fixture('tiny-class'), model, { recursive: true });
    const { checkpoint } = await readModelFolder(model);
    const limited = { ...env, CLIP_CLASSIFY_WEIGHTS_SIZE: limit };
    const weights = (await convertedWeights(checkpoint, 'image', 'int8', limited)).checkpoint.file;
    await utimes(`${weights}.json`, ...daysAgo(days));
    return weights;
  }
  const models = async () =>
    (await cacheItems(env)).filter(({ kind }) => kind === 'converted weights').map(({ model }) => model);

  it('deletes what no run used for the longest time when a run converts another model', async () => {
    const { size } = await lstat(await convertCopy('middle', 3, 'none'));
    await convertCopy('oldest', 9, 'none');
    await convertCopy('newest', 2, 'none');
    const room = String(Math.round(3.5 * size)); // for three, and their seals
    await convertCopy('own', 0, room);
    expect((await models()).sort()).toEqual(['middle', 'newest', 'own']);
  });

  it('keeps what a run used within a day, also if it is over the limit', async () => {
    await convertCopy('today', 0.9, 'none');
    await convertCopy('old', 1.1, 'none');
    await convertCopy('own', 0, '1kB');
    expect((await models()).sort()).toEqual(['own', 'today']);
    const { removed } = await pruneCache({}, { ...env, CLIP_CLASSIFY_WEIGHTS_SIZE: '1kB' } as typeof env);
    expect(removed).toEqual([]);
  });
});

const daysAgo = (days: number) => [Date.now() / 1000 - days * DAY_S, Date.now() / 1000 - days * DAY_S] as const;
const isOld = async (path: string) => Date.now() - (await lstat(path)).mtimeMs > 1.5 * DAY_S * 1000;

describe('the items of the cache', () => {
  it('have a kind, a model, a size and a time', async () => {
    await fill('my-model', 0, 20);
    const weights = await convert();
    await hashAndRemember(fixture('images/rgb.png'), env);
    const items = await cacheItems(env);
    expect(items.map(({ kind, model, state }) => ({ kind, model, state }))).toEqual([
      { kind: 'image embeddings', model: 'my-model', state: 'whole' },
      { kind: 'converted weights', model: 'my-clip', state: 'whole' },
      { kind: 'checksums', model: undefined, state: 'whole' },
    ]);
    const [segment = ''] = await segments();
    expect(items[0]?.size).toBe((await lstat(segment)).size);
    expect(items[1]?.size).toBe((await lstat(weights)).size + (await lstat(`${weights}.json`)).size);
    for (const { lastUsed } of items) expect(Math.abs(Date.now() - lastUsed)).toBeLessThan(60_000);
  });
});

describe('prune', () => {
  it('deletes what was not used for the given time', async () => {
    await fill('old', 0, 20);
    await age(40);
    await fill('new', 0, 20);
    const { removed, kept } = await pruneCache({ olderThan: 30 * DAY_S * 1000 }, env);
    expect([removed.map(({ model }) => model), kept]).toEqual([['old'], []]);
    expect(await readdir(join(cache, 'embeddings'))).toHaveLength(1); // the folder of the other store has gone too
  });

  it('deletes the oldest until the whole cache is small enough', async () => {
    const weights = await convert();
    await utimes(`${weights}.json`, ...daysAgo(1));
    await fill('one', 0, 20);
    const { removed, left } = await pruneCache({ maxSize: 50_000 }, env);
    expect(removed.map(({ kind }) => kind)).toEqual(['converted weights']);
    expect(left).toBe((await lstat((await segments())[0] ?? '')).size);
  });

  it('deletes converted weights whose checkpoint does not exist any more, and keeps the others', async () => {
    const weights = await convert();
    expect((await pruneCache({}, env)).removed).toEqual([]);
    await rm(join(folder, 'my-clip'), { recursive: true });
    expect((await pruneCache({}, env)).removed).toHaveLength(1);
    await expect(lstat(join(weights, '..'))).rejects.toThrow('ENOENT');
  });

  it('deletes what a killed conversion left, but not what a running one writes', async () => {
    const [dead, living] = ['0'.repeat(32), '1'.repeat(32)].map((name) => join(cache, 'weights', name));
    for (const one of [dead, living] as string[]) {
      await mkdir(one, { recursive: true });
      await writeFile(join(one, 'image-int8.safetensors.4194400-0.tmp'), 'half');
    }
    const lock = await takeLock(join(living as string, 'image-int8.safetensors.lock'));
    const { removed, kept } = await pruneCache({}, env);
    expect([removed.length, kept.length]).toEqual([1, 1]);
    expect(await readdir(join(cache, 'weights'))).toEqual(['1'.repeat(32)]);
    await lock?.release();
    expect((await pruneCache({}, env)).removed).toHaveLength(1);
    expect(await readdir(join(cache, 'weights'))).toEqual([]);
  });
});

describe('in a folder with files of others', () => {
  it.each([
    ['clear', () => clearCache(env)],
    ['prune', () => pruneCache({ maxSize: 0, olderThan: 0 }, env)],
  ])('%s touches only what this package wrote, and follows no link', async (_, work) => {
    const outside = join(folder, 'outside');
    const id = '11111111-2222-3333-4444-555555555555';
    await mkdir(join(outside, 'a'.repeat(32)), { recursive: true });
    await fill('linked', 0, 2);
    const [segment = ''] = await segments();
    await cp(segment, join(outside, `${id}.emb`));
    await cp(segment, join(outside, 'a'.repeat(32), `${id}.emb`));
    await rm(cache, { recursive: true });
    for (const [path, text] of [
      ['notes.txt', 'mine'],
      ['embeddings/mine.emb', 'mine'],
      [`embeddings/${'a'.repeat(32)}/mine.emb`, 'mine'],
      [`embeddings/${'a'.repeat(32)}/${id}.emb`, 'not a segment'],
      [`embeddings/photos/${id}.emb`, 'mine'],
      [`weights/${'a'.repeat(32)}/model.safetensors`, 'mine'],
      [`weights/best/image-int8.safetensors`, 'mine'],
      [`digests/${'a'.repeat(32)}.json`, '{"mine":true}'],
      ['digests/mine.json', '{}'],
      ['models/my-clip/import.json', '{}'],
      ['hub.lock.json', '{}'],
      ['default.json', '{}'],
    ] as const) {
      await mkdir(join(cache, path, '..'), { recursive: true });
      await writeFile(join(cache, path), text);
    }
    await symlink(join(outside, 'a'.repeat(32)), join(cache, 'embeddings', 'b'.repeat(32)));
    await mkdir(join(cache, 'embeddings', 'c'.repeat(32)));
    await symlink(join(outside, `${id}.emb`), join(cache, 'embeddings', 'c'.repeat(32), `${id}.emb`));
    const before = await contents(folder);
    expect((await work()).removed).toEqual([]);
    expect(await contents(folder)).toEqual(before);
    await fill('own', 0, 2);
    expect((await work()).removed).toHaveLength(1);
    expect(await contents(folder)).toEqual(before);
  });

  it('a linked folder of embeddings is not followed', async () => {
    await fill('own', 0, 2);
    await mkdir(join(folder, 'other'));
    await symlink(join(cache, 'embeddings'), join(folder, 'other/embeddings'));
    expect((await clearCache({ CLIP_CLASSIFY_CACHE: join(folder, 'other') })).removed).toEqual([]);
    expect(await segments()).toHaveLength(1);
  });
});

describe('runs that use the cache while it is pruned and cleared', () => {
  const bin = join(repository, 'bin/clip-classify.js');
  const start = (args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [bin, ...args], {
      env: { ...process.env, ...env, CLIP_CLASSIFY_CACHE_SIZE: '20kB' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  /** Scores to 1e-4: they depend on the batch in the digits after that. */
  function rowsOf({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }) {
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    return { code, stderr, rows: rows.map(({ image, label, score = 0 }) => [image, label, score.toFixed(3)]) };
  }

  it('end well, with the same rows', async () => {
    const images = join(folder, 'images');
    await cp(fixture('images'), images, { recursive: true });
    const options = ['-l', 'cat,dog', '-m', fixture('tiny-class'), '--dtype', 'int8', '-f', 'jsonl', '--verbose'];
    const run = (...more: string[]) => ended(start([images, ...options, ...more]));
    const truth = rowsOf(await run('--no-cache'));
    let goesOn = true;
    const disturb = async (...args: string[]) => {
      let times = 0;
      for (; goesOn; times++) expect(await ended(start(['cache', ...args]))).toMatchObject({ code: 0, stderr: '' });
      return times;
    };
    const others = [disturb('clear'), disturb('prune', '--max-size', '0')];
    const runs = await Promise.all([run('--cache-images'), run('--cache-images', '--threads', '1')]);
    for (const one of runs) expect(rowsOf(one)).toEqual(truth);
    goesOn = false;
    for (const times of await Promise.all(others)) expect(times).toBeGreaterThan(0);
  });
});
