import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SegmentReader, SegmentWriter } from '../../src/cache/segment.ts';
import { EmbeddingStore } from '../../src/cache/store.ts';
import { l2Normalize } from '../../src/tensor.ts';
import { repository } from '../paths.ts';
import { embeddingOf, entryOf, keyOf } from './entries.ts';

const FACTS = JSON.stringify({ model: 'abc', version: 1 });
const [COLUMNS, COUNT] = [16, 40];

let root: string;
let parent: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'store-'));
});
beforeEach(async () => {
  parent = await mkdtemp(join(root, 's-'));
});
afterAll(() => rm(root, { recursive: true }));

const open = (facts = FACTS) =>
  EmbeddingStore.open(parent, facts, (error) => {
    throw error;
  });
async function fill(from: number, to: number, facts = FACTS) {
  const store = await open(facts);
  for (let n = from; n < to; n++) store.put(entryOf(n, COLUMNS));
  await store.close();
}
async function segments(): Promise<string[]> {
  const names = await readdir(parent, { recursive: true });
  return names.filter((name) => /\.(emb|part)$/.test(name)).map((name) => join(parent, name));
}
/** The number of entries that are found; each must equal the stored one. */
function countRight(store: EmbeddingStore): number {
  let there = 0;
  for (let n = 0; n < COUNT; n++) {
    const found = store.get(keyOf(n));
    if (found === undefined) continue;
    expect(found).toEqual({ embedding: embeddingOf(n, COLUMNS), notes: [n, 7] });
    there++;
  }
  return there;
}
/** Numbers below `limit`, the same in every run (Numerical Recipes' linear congruential generator). */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

describe('a store of embeddings', () => {
  it('returns exactly the stored bits, and nothing for other keys', async () => {
    await fill(0, COUNT);
    const store = await open();
    expect(countRight(store)).toBe(COUNT);
    expect(store.get(keyOf(COUNT))).toBeUndefined();
    await store.close();
  });

  it('separates embeddings with different facts', async () => {
    await fill(0, COUNT);
    const other = await open(JSON.stringify({ model: 'abd', version: 1 }));
    expect(countRight(other)).toBe(0);
    await other.close();
  });

  it('ignores a segment with other facts in its folder', async () => {
    await fill(0, COUNT, '{"model":"other"}');
    const [foreign] = await segments();
    await fill(0, 1);
    const own = (await segments()).find((path) => path !== foreign);
    await copyFile(foreign as string, join(own as string, '../11111111-2222-3333-4444-555555555555.emb'));
    const store = await open();
    expect(countRight(store)).toBe(1);
    await store.close();
  });

  it('merges many small segments without losing an embedding', async () => {
    for (let n = 0; n < COUNT; n += 2) await fill(n, n + 2);
    expect((await segments()).length).toBeLessThan(COUNT / 2);
    const store = await open();
    expect(countRight(store)).toBe(COUNT);
    await store.close();
  });

  it('stores no embedding without direction: NaN, infinite, zero', async () => {
    const folder = join(parent, 'f');
    await mkdir(folder);
    const writer = await SegmentWriter.create(folder, FACTS, 4);
    for (const [n, value] of [Number.NaN, Number.POSITIVE_INFINITY, 0].entries()) {
      const bad = { ...l2Normalize({ rows: 1, columns: 4, data: Float32Array.of(1, 2, 3, 4) }) };
      await writer.append([
        { key: keyOf(n), embedding: { ...bad, data: new Float32Array(4).fill(value) }, notes: [0, 0] },
      ]);
    }
    await writer.close();
    const [path] = await segments();
    const reader = SegmentReader.open(path as string, FACTS);
    if (reader === 'rubbish') return expect.fail('the segment was refused');
    expect(reader.places.size).toBe(3);
    for (const [key, place] of reader.places.entries()) expect(reader.read(key, place)).toBeUndefined();
    reader.close();
  });
});

describe('a damaged store', () => {
  let whole: Buffer;
  let path: string;
  beforeEach(async () => {
    await fill(0, COUNT / 2);
    [path] = (await segments()) as [string];
    whole = await readFile(path);
  });

  it.each([1, 2, 3])('returns no wrong embedding: 200 places with a flipped bit (seed %i)', async (seed) => {
    const next = numbers(seed);
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(whole);
      const at = next(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << next(8));
      await writeFile(path, bytes);
      const store = await open();
      expect(countRight(store)).toBeLessThan(COUNT / 2); // the damage is noticed, and the other entries are right
      await store.close();
      await rm(join(path, '..'), { recursive: true });
      await mkdir(join(path, '..'));
    }
  });

  it('returns no wrong embedding: truncated at 200 places', async () => {
    const next = numbers(4);
    for (let i = 0; i < 200; i++) {
      await writeFile(path, whole.subarray(0, next(whole.length)));
      const store = await open();
      expect(countRight(store)).toBeLessThan(COUNT / 2);
      await store.close();
      await rm(join(path, '..'), { recursive: true });
      await mkdir(join(path, '..'));
    }
  });

  it('is repaired by the next process that uses it', async () => {
    const bytes = Buffer.from(whole);
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 1;
    await writeFile(path, bytes);
    const store = await open();
    expect(countRight(store)).toBe(COUNT / 2 - 1);
    for (let n = 0; n < COUNT / 2; n++) if (store.get(keyOf(n)) === undefined) store.put(entryOf(n, COLUMNS));
    await store.close();
    expect(await segments()).not.toContain(path);
    expect(countRight(await open())).toBe(COUNT / 2);
  });

  it('is ignored if it is of an older version', async () => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(0, 8);
    await writeFile(path, bytes);
    expect(countRight(await open())).toBe(0);
  });

  it('may contain random bytes, a folder or a link', async () => {
    await writeFile(join(path, '../11111111-2222-3333-4444-555555555555.emb'), 'hello');
    await mkdir(join(path, '../11111111-2222-3333-4444-666666666666.emb'));
    expect(countRight(await open())).toBe(COUNT / 2);
  });
});

describe('processes that share a store', () => {
  /** Puts the entries of `entries.ts` into the store, by the build (npm test builds before it runs the tests). */
  const start = (from: number, to: number): ChildProcess => {
    const built = (path: string) => JSON.stringify(join(repository, 'dist', path));
    const code = `
      const { createHash } = await import('node:crypto');
      const { setTimeout: sleep } = await import('node:timers/promises');
      const { EmbeddingStore } = await import(${built('cache/store.js')});
      const { l2Normalize } = await import(${built('tensor.js')});
      const store = await EmbeddingStore.open(${JSON.stringify(parent)}, ${JSON.stringify(FACTS)}, (e) => { throw e; });
      for (let n = ${from}; n < ${to}; n++) {
        const key = createHash('sha256').update('entry ' + n).digest();
        const data = Float32Array.from({ length: ${COLUMNS} }, (_, d) => Math.sin(1 + n * ${COLUMNS} + d));
        store.put({ key, embedding: l2Normalize({ rows: 1, columns: ${COLUMNS}, data }), notes: [n, 7] });
        await sleep(1);
        if (n === 200) process.send('some'); // after several blocks
      }
      await store.close();
      process.disconnect();`;
    return spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  };

  it('do not lose embeddings of each other', async () => {
    const children = [0, 1, 2, 3].map((n) => start(n * 10, n * 10 + 20));
    const codes = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(codes.map(([code]) => code)).toEqual([0, 0, 0, 0]);
    expect(countRight(await open())).toBe(COUNT);
  });

  it('keep what a killed process has written, and drop its partial block', async () => {
    const child = start(0, 100_000);
    await once(child, 'message'); // some are written
    child.kill('SIGKILL');
    await once(child, 'exit');
    const [left] = (await segments()) as [string];
    expect(left).toMatch(/\.part$/);
    await truncate(left, (await readFile(left)).length - 5);
    const before = countRight(await open());
    expect(before).toBeGreaterThan(0);
    // Not touched for a day, so it is finished in place of its dead writer.
    await utimes(left, new Date(0), new Date(0));
    await (await open()).close();
    expect((await segments()).every((path) => path.endsWith('.emb'))).toBe(true);
    expect(countRight(await open())).toBe(before);
  });

  it('do not touch a segment that another process is writing', async () => {
    await fill(0, 1);
    const [finished] = (await segments()) as [string];
    const growing = join(finished, '../11111111-2222-3333-4444-555555555555.part');
    await copyFile(finished, growing);
    await appendFile(growing, 'half a block');
    await (await open()).close();
    expect(await segments()).toContain(growing);
  });
});
