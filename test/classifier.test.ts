import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClassifyOptions, createClassifier, type ImageResult } from '../src/classifier.ts';
import { type Clip, loadModel } from '../src/clip.ts';
import type { ImageInput } from '../src/image/given.ts';
import { fixture } from './paths.ts';

const LABELS = ['cat', 'small bird', 'house'];
const GOOD = [
  'rgb.png',
  'odd.jpg',
  'grey.jpg',
  'palette.png',
  'frame.gif',
  'lossless.webp',
  'page.tiff',
  'rgba.png',
  'exact.png',
  'grey.png',
];
const images = GOOD.map((name) => fixture(`images/${name}`));

let clip: Clip;
beforeAll(async () => {
  clip = await loadModel(fixture('tiny-class'), { threads: 1 });
});
afterAll(() => clip.release());

async function withBatch<T>(batch: number, use: (model: Clip) => Promise<T>): Promise<T> {
  const model = await loadModel(fixture('tiny-class'), { threads: 1, batch });
  return use(model).finally(() => model.release());
}

async function classify(
  sources: Iterable<ImageInput>,
  options?: ClassifyOptions,
  model: Clip = clip,
): Promise<ImageResult[]> {
  const classifier = await createClassifier(model, LABELS);
  const results: ImageResult[] = [];
  for await (const result of classifier.classify(sources, options)) results.push(result);
  return results;
}

describe('classify', () => {
  it('gives the same rows in the same order for every batch size', async () => {
    const one = await withBatch(1, (model) => classify(images, {}, model));
    for (const batch of [3, 8, 64]) {
      const many = await withBatch(batch, (model) => classify(images, {}, model));
      expect(many.map(({ image }) => image)).toEqual(images);
      for (const [n, result] of many.entries()) {
        const alone = one[n];
        if (!result.ok || !alone?.ok) throw new Error('an image failed');
        expect(result.labels.map(({ label }) => label)).toEqual(alone.labels.map(({ label }) => label));
        for (const [l, { score }] of result.labels.entries())
          expect(score).toBeCloseTo(alone.labels[l]?.score ?? Number.NaN, 5);
      }
    }
  });

  it('has an error row for every bad image and continues', async () => {
    const mixed = [
      images[0],
      fixture('nothing.jpg'),
      images[1],
      fixture('tiny-class/config.json'),
      images[2],
    ] as string[];
    const results = await withBatch(2, (model) => classify(mixed, {}, model));
    expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
      'ok',
      'E_NOT_FOUND',
      'ok',
      'E_FORMAT',
      'ok',
    ]);
    const alone = await classify([images[2] as string]);
    expect(results[4]).toEqual(alone[0]);
  });

  it('classifies bytes with a given name', async () => {
    const bytes = await readFile(images[0] as string);
    const [fromBytes] = await classify([{ name: 'upload', bytes }]);
    const [fromFile] = await classify(images.slice(0, 1));
    expect(fromBytes).toEqual({ ...fromFile, image: 'upload' });
  });

  it('returns the best k labels, with the scores over all labels', async () => {
    const [all] = await classify(images.slice(0, 1));
    const [best] = await classify(images.slice(0, 1), { top: 2 });
    if (!all?.ok || !best?.ok) throw new Error('the image failed');
    expect(best.labels).toEqual(all.labels.slice(0, 2));
    expect(all.labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 9);
    expect(all.labels[0]?.score).toBeGreaterThan(all.labels[1]?.score ?? 1);
  });

  it('reads no more images ahead than it needs to stay busy', async () => {
    let pulled = 0;
    function* endless(): Generator<string> {
      for (;;) {
        pulled++;
        yield images[0] as string;
      }
    }
    await withBatch(4, async (model) => {
      const classifier = await createClassifier(model, LABELS);
      for await (const _ of classifier.classify(endless())) break;
    });
    expect(pulled).toBeLessThan(20);
  });

  it('refuses invalid sizes', async () => {
    await expect(loadModel(fixture('tiny-class'), { batch: 0 })).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(classify(images, { maxPixels: Number.NaN })).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(classify(images, { top: 0.5 })).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

describe('createClassifier', () => {
  it('warns about a truncated prompt, with its label, and about a single label', async () => {
    const warnings: string[] = [];
    const long = 'very '.repeat(50);
    await createClassifier(clip, [long], { onWarning: (message) => warnings.push(message) });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('only label');
    expect(warnings[1]).toContain(long.trim());
  });

  it('refuses a label that would end the prompt', async () => {
    await expect(createClassifier(clip, ['cat', 'a <|endoftext|> b'])).rejects.toMatchObject({ code: 'E_LABELS' });
  });
});
