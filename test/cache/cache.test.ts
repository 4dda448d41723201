import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddingCache } from '../../src/cache/cache.ts';
import { CachedImages } from '../../src/cache/image-cache.ts';
import { encodeLabelsOnce } from '../../src/cache/label-cache.ts';
import { type Clip, type LoadOptions, loadModel } from '../../src/clip.ts';
import type { Embedded, ImageEncoder } from '../../src/embed/encoder.ts';
import type { TextEncoder } from '../../src/embed/labels.ts';
import { encodeLabels } from '../../src/embed/labels.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { type ImageInput, sourceOfInput } from '../../src/image/given.ts';
import { decoderVersions } from '../../src/image/libvips.ts';
import { describeModel } from '../../src/model/describe.ts';
import { ModelDigest } from '../../src/model/digest.ts';
import { row } from '../../src/tensor.ts';
import { fixture } from '../paths.ts';

const MODEL = fixture('tiny-class');
const PROMPTS = [['a photo of a cat', 'a cat'], ['a photo of a dog'], [`a ${'very '.repeat(60)}long prompt`]];
const IMAGES = ['rgb.png', 'odd.jpg', 'grey.jpg', 'frame.gif'].map((name) => fixture(`images/${name}`));

let folder: string;
let env: { CLIP_CLASSIFY_CACHE: string };
const folders: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embeddings-'));
  folders.push(folder);
  env = { CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
});
afterAll(() => Promise.all(folders.map((one) => rm(one, { recursive: true }))));

async function use<T>(options: LoadOptions, work: (clip: Clip) => Promise<T>, model = MODEL): Promise<T> {
  const clip = await loadModel(model, { threads: 1, env, ...options });
  return work(clip).finally(() => clip.release());
}
const failOnTrouble = (error: unknown) => {
  throw error;
};
/** The cache that loadModel() uses for the model in a folder. */
async function cacheOf(model = MODEL, other = {}): Promise<EmbeddingCache> {
  const circumstances = { dtype: 'fp32', provider: 'auto', decoder: decoderVersions, ...other };
  const described = await describeModel(model);
  const digest = new ModelDigest(described, env, true);
  return new EmbeddingCache(described.name, digest, circumstances, env, failOnTrouble);
}
async function segments(): Promise<string[]> {
  const root = join(env.CLIP_CLASSIFY_CACHE, 'embeddings');
  const names = await readdir(root, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.(emb|part)$/.test(name)).map((name) => join(root, name));
}
/** Flips a bit of the last embedding of every segment. */
async function damage(): Promise<void> {
  for (const path of await segments()) {
    const bytes = await readFile(path);
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] as number) ^ 4;
    await writeFile(path, bytes);
  }
}

describe('labels', () => {
  /** A text encoder that fails if the tokenizer or text graph is opened. */
  const closed: TextEncoder = {
    tokenizer: () => Promise.reject(new Error('the tokenizer was loaded')),
    withTextGraph: () => Promise.reject(new Error('the text graph was opened')),
  };
  const encode = (prompts = PROMPTS, options: LoadOptions = {}, model = MODEL) =>
    use(options, (clip) => clip.encodeLabels(prompts), model);
  const recall = async (prompts = PROMPTS, other = {}) =>
    encodeLabelsOnce((texts, onPart) => encodeLabels(closed, texts, onPart), prompts, await cacheOf(MODEL, other));

  it('are encoded once; later neither the tokenizer nor the text graph is opened', async () => {
    const first = await encode();
    const again = await recall();
    expect(again).toEqual(first);
    expect(again.truncated).toEqual([2]);
    expect(await encode(PROMPTS, { cache: false })).toEqual(first);
  });

  it('are found in any order, and together with new labels', async () => {
    const first = await encode();
    const [cat, dog, long] = PROMPTS as [string[], string[], string[]];
    const other = await encode([long, ['new'], dog, cat]);
    for (const [n, before] of [
      [0, 2],
      [2, 1],
      [3, 0],
    ] as const)
      expect(row(other.rows, n)).toEqual(row(first.rows, before));
    expect(other.truncated).toEqual([0]);
    expect(row(other.rows, 1)).toEqual((await encode([['new']], { cache: false })).rows.data);
  });

  it.each([
    ['other prompts', [['a photo of a cat'], ['a cat']], {}],
    ['the same letters in other prompts', [['a photo of a cata cat']], {}],
    ['another precision', PROMPTS, { dtype: 'int8' }],
    ['another provider', PROMPTS, { provider: 'cuda' }],
  ])('of %s are others', async (_, prompts, other) => {
    await encode();
    await expect(recall(prompts, other)).rejects.toThrow('the tokenizer was loaded');
  });

  it('of another model are not used, even if it has the same name', async () => {
    const first = await encode();
    const other = await encode(PROMPTS, {}, fixture('tiny-gelu-f16'));
    expect(await recall()).toEqual(first);
    expect(other).toEqual(await encode(PROMPTS, { cache: false }, fixture('tiny-gelu-f16')));
  });

  it('are encoded again and replaced if they are damaged', async () => {
    const first = await encode();
    await damage();
    await expect(recall()).rejects.toThrow('the tokenizer was loaded');
    expect(await encode()).toEqual(first);
    expect(await recall()).toEqual(first);
  });

  it('are neither read nor written without the cache', async () => {
    await encode(PROMPTS, { cache: false });
    await expect(readdir(env.CLIP_CLASSIFY_CACHE)).rejects.toThrow('ENOENT');
  });

  it('are encoded without the cache if it cannot be written, and the user is told', async () => {
    await writeFile(env.CLIP_CLASSIFY_CACHE, 'a file where the folder should be');
    const troubles: unknown[] = [];
    const rows = await encode(PROMPTS, { onCacheTrouble: (error) => troubles.push(error) });
    expect(rows).toEqual(await encode(PROMPTS, { cache: false }));
    expect(troubles).toHaveLength(1);
  });
});

describe('images', () => {
  /** An image encoder that fails if the image graph is opened. */
  const closed: ImageEncoder = {
    provider: () => Promise.reject(new Error('the image graph was opened')),
    encode: () => Promise.reject(new Error('the image graph was opened')),
    release: async () => {},
  };
  const embed = (sources: readonly ImageInput[] = IMAGES, options: LoadOptions = {}, decoding = {}) =>
    use({ cacheImages: true, ...options }, async (clip) => {
      const results: Embedded[] = [];
      for await (const one of clip.encodeImages(sources, decoding)) results.push(one);
      return results;
    });
  const recall = async (input: ImageInput, decoding = {}, other = {}) => {
    const images = new CachedImages(closed, await cacheOf(MODEL, other));
    const source = sourceOfInput(input, 'image');
    const result = await images.encode(source, { ...DEFAULT_DECODE, ...decoding }).finally(() => images.release());
    return { result, provider: () => images.provider() };
  };

  it('are encoded once; later the image graph is not opened and no process is started', async () => {
    const first = await embed(IMAGES, { isolate: true });
    for (const [n, image] of IMAGES.entries()) {
      const { result, provider } = await recall(image);
      expect(result).toEqual(first[n]);
      expect(await provider()).toBe('cpu');
    }
    expect(await embed(IMAGES, { cache: false, cacheImages: false })).toEqual(first);
  });

  it('are known by their bytes, not by their names', async () => {
    const [first] = await embed();
    const copy = join(folder, 'copy.png');
    await copyFile(IMAGES[0] as string, copy);
    expect((await recall(copy)).result).toEqual({ ...first, image: copy });
    const bytes = await readFile(copy);
    expect((await recall({ name: 'bytes', bytes })).result).toEqual({ ...first, image: 'bytes' });
    await copyFile(IMAGES[1] as string, copy);
    const [changed] = await embed([copy]);
    const [other] = await embed([IMAGES[1] as string]);
    expect(changed).toEqual({ ...other, image: copy });
  });

  it.each([
    ['otherwise decoded', { exif: false }, {}],
    ['of another precision', {}, { dtype: 'int8' }],
    ['of another decoder', {}, { decoder: () => 'sharp 1' }],
  ])('%s are others', async (_, decoding, other) => {
    await embed();
    await expect(recall(IMAGES[0] as string, decoding, other)).rejects.toThrow('the image graph was opened');
  });

  it('are checked again if fewer pixels are allowed than when they were encoded', async () => {
    const [first] = await embed([IMAGES[0] as string], {}, { maxPixels: 1_000_000 });
    expect((await recall(IMAGES[0] as string, { maxPixels: 2_000_000 })).result).toEqual(first);
    const [refused] = await embed([IMAGES[0] as string], {}, { maxPixels: 10 });
    expect(refused).toMatchObject({ ok: false, error: { code: 'E_PIXEL_LIMIT' } });
  });

  it('that are bad have an error in every run', async () => {
    const bad = join(folder, 'bad.jpg');
    await writeFile(bad, 'no image');
    for (let n = 0; n < 2; n++) {
      expect(await embed([bad, join(folder, 'none.jpg')])).toMatchObject([
        { ok: false, image: bad, error: { code: 'E_FORMAT' } },
        { ok: false, error: { code: 'E_NOT_FOUND' } },
      ]);
    }
  });

  it('are encoded again if their embeddings are damaged', async () => {
    const first = await embed();
    await damage();
    expect(await embed()).toEqual(first);
  });

  it('are not cached by default', async () => {
    await embed(IMAGES, { cacheImages: false });
    expect(await segments()).toEqual([]);
  });
});
