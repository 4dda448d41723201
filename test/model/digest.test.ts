import { cp, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeModel } from '../../src/model/describe.ts';
import { ModelDigest } from '../../src/model/digest.ts';
import { fixture } from '../paths.ts';

const MODEL = fixture('tiny-class');

let root: string;
let env: { CLIP_CLASSIFY_CACHE: string };
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'digest-'));
});
beforeEach(async () => {
  env = { CLIP_CLASSIFY_CACHE: await mkdtemp(join(root, 'c-')) };
});
afterAll(() => rm(root, { recursive: true }));

const digestOf = async (folder: string, remembers = true) =>
  new ModelDigest(await describeModel(folder), env, remembers);
const memories = () => readdir(join(env.CLIP_CLASSIFY_CACHE, 'digests')).catch(() => []);

describe('the digest of a model', () => {
  it('is equal for a copy in another folder', async () => {
    const copy = join(root, 'copy');
    await cp(MODEL, copy, { recursive: true });
    expect(await (await digestOf(copy)).compute()).toBe(await (await digestOf(MODEL)).compute());
  });

  it.each([
    ['model.safetensors', (bytes: Buffer) => bytes.fill((bytes.at(-1) as number) ^ 1, bytes.length - 1)],
    ['tokenizer.json', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from(' ')])],
    ['config.json', (bytes: Buffer) => Buffer.from(bytes.toString().replaceAll('"quick_gelu"', '"gelu"'))],
    ['preprocessor_config.json', (bytes: Buffer) => Buffer.from(bytes.toString().replace('0.48145466', '0.5'))],
  ])('changes with %s', async (file, change) => {
    const other = await mkdtemp(join(root, 'other-'));
    await cp(MODEL, other, { recursive: true });
    const before = await (await digestOf(other)).compute();
    const bytes = await readFile(join(other, file));
    const changed = change(Buffer.from(bytes));
    expect(changed.equals(bytes)).toBe(false);
    await writeFile(join(other, file), changed);
    expect(await (await digestOf(other)).compute()).not.toBe(before);
  });

  it('is cached by size, inode and time stamps', async () => {
    expect(await (await digestOf(MODEL)).known()).toBeUndefined();
    const digest = await (await digestOf(MODEL)).compute();
    expect((await memories()).length).toBeGreaterThan(1);
    expect(await (await digestOf(MODEL)).known()).toBe(digest);
  });

  it('is not cached for a file that was just written or touched', async () => {
    const other = await mkdtemp(join(root, 'young-'));
    await cp(MODEL, other, { recursive: true });
    await utimes(join(other, 'model.safetensors'), new Date(0), new Date(0)); // ctime cannot be set back
    await (await digestOf(other)).compute();
    expect(await memories()).toEqual([]);
    expect(await (await digestOf(other)).known()).toBeUndefined();
  });

  it('is computed again if the cached digest is damaged', async () => {
    const digest = await (await digestOf(MODEL)).compute();
    for (const name of await memories()) {
      const path = join(env.CLIP_CLASSIFY_CACHE, 'digests', name);
      await writeFile(path, (await readFile(path, 'utf8')).replace(/"sha256":"./u, '"sha256":"g'));
    }
    expect(await (await digestOf(MODEL)).known()).toBeUndefined();
    expect(await (await digestOf(MODEL)).compute()).toBe(digest);
  });

  it('is neither written to the cache nor read from it without the cache', async () => {
    const digest = await (await digestOf(MODEL, false)).compute();
    expect(await memories()).toEqual([]);
    await (await digestOf(MODEL)).compute();
    expect(await (await digestOf(MODEL, false)).known()).toBeUndefined();
    expect(await (await digestOf(MODEL, false)).compute()).toBe(digest);
  });
});
