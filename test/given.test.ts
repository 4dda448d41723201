import { createReadStream, openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Classifier,
  type Clip,
  createClassifier,
  type ImageInputs,
  type ImageResult,
  loadModel,
  UsageError,
} from '../src/index.ts';
import { fixture } from './paths.ts';

const path = fixture('images/rgb.png');
const bytes = await readFile(path);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;

let clip: Clip;
let classifier: Classifier;
beforeAll(async () => {
  clip = await loadModel(fixture('tiny-class'), { cache: false });
  classifier = await createClassifier(clip, ['cat', 'dog']);
});
afterAll(() => clip.release());

const all = async (images: ImageInputs) => {
  const results: ImageResult[] = [];
  for await (const result of classifier.classify(images)) results.push(result);
  return results;
};
const scoreOf = (result: ImageResult | undefined) => (result?.ok ? result.score : result?.error.message);

describe('an image', () => {
  it.each<[string, () => ImageInputs | Promise<ImageInputs>]>([
    ['a path', () => path],
    ['a file URL', () => pathToFileURL(path)],
    ['a Buffer', () => bytes],
    ['a Uint8Array', () => Uint8Array.from(bytes)],
    ['an ArrayBuffer', () => buffer],
    ['a Blob', () => openAsBlob(path)],
    ['a Node stream', () => createReadStream(path)],
    ['a web stream', () => new Blob([bytes]).stream()],
    ['bytes with a name', () => ({ name: 'x.png', bytes })],
  ])('may be %s, alone or in an array', async (_, make) => {
    const expected = scoreOf(await classifier.classifyOne(path));
    expect((await all(await make())).map(scoreOf)).toEqual([expected]);
    expect((await all([await make()] as ImageInputs)).map(scoreOf)).toEqual([expected]);
  });

  it('may come from a set, a generator and a stream of objects', async () => {
    async function* paths() {
      yield path;
    }
    for (const images of [new Set([path]), paths(), Readable.from([path])])
      expect((await all(images as ImageInputs)).map(({ image }) => image)).toEqual([path]);
  });

  it.each([[null], [undefined], [7], [{}]])('cannot be %j: a named error', async (odd) => {
    await expect(all([odd] as unknown as ImageInputs)).rejects.toThrow(UsageError);
    await expect(all([odd] as unknown as ImageInputs)).rejects.toThrow(/^image 1 is .*; use a path, a URL/);
  });

  it('becomes an error row if its source throws', async () => {
    const broken = { name: 'broken.png', read: () => Promise.reject(new Error('no connection')) };
    const results = await all([broken, path]);
    expect(results.map(({ ok }) => ok)).toEqual([false, true]);
    expect(scoreOf(results[0])).toBe('cannot read broken.png: no connection; check its source');
  });
});

describe('a call', () => {
  it('ends with its signal and leaves the model usable', async () => {
    const stop = new AbortController();
    const results = classifier.classify(Array(50).fill(path), { signal: stop.signal });
    await results.next();
    stop.abort(new Error('enough'));
    await expect(results.next()).rejects.toThrow('enough');
    expect((await classifier.classifyOne(path)).ok).toBe(true);
  });
});

describe('texts and token ids', () => {
  it('are never confused', async () => {
    const { ids } = (await clip.tokenizer()).encode('a cat');
    expect(await clip.encodeTexts(['a cat'])).toEqual(await clip.encodeTokens([ids]));
    await expect(clip.encodeTexts([ids] as unknown as string[])).rejects.toThrow(/pass token ids to encodeTokens/);
    for (const text of ['a cat', null])
      await expect(clip.encodeTexts(text as unknown as string[])).rejects.toThrow(/the texts are not in an array/);
    await expect(clip.encodeTokens(['a cat'] as unknown as number[][])).rejects.toThrow(/pass texts to encodeTexts/);
  });
});

it('errors serialise with their code and next step', () => {
  expect(JSON.parse(JSON.stringify(new UsageError('x is 1', 'use 2')))).toEqual({
    name: 'UsageError',
    code: 'E_USAGE',
    message: 'x is 1; use 2',
    fact: 'x is 1',
    nextStep: 'use 2',
  });
});
