import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clip, type LoadOptions, loadModel } from '../src/clip.ts';
import { fixture } from './paths.ts';

const IMAGES = [
  'rgb.png',
  'odd.jpg',
  'page.tiff',
  'palette.png',
  'progressive.jpg',
  'grey.jpg',
  'turned.jpg',
  'rgba.png',
];
const PROMPTS = [
  [0, 1, 2],
  [0, 5, 3, 2],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dtype-'));
  await writeFile(join(folder, 'no-folder'), '');
});
afterAll(() => rm(folder, { recursive: true }));

async function withClip<T>(model: string, options: LoadOptions, use: (clip: Clip) => Promise<T>): Promise<T> {
  const env = { CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
  const clip = await loadModel(fixture(model), { threads: 1, provider: 'cpu', env, ...options });
  try {
    return await use(clip);
  } finally {
    await clip.release();
  }
}

async function embeddings(clip: Clip): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const result of clip.encodeImages(IMAGES.map((image) => fixture(`images/${image}`)))) {
    rows.push(result.ok ? [...result.embedding.data] : expect.fail(result.error.message));
  }
  return rows;
}
const texts = async (clip: Clip) => [...(await clip.encodeTokens(PROMPTS)).data];
const cosine = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, n) => sum + value * (b[n] ?? 0), 0);
const largestGap = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, n) => Math.abs(value - (b[n] ?? Number.NaN))));

const MODELS = ['tiny-class', 'tiny-gelu-f16', 'tiny-2d-mean-bf16', 'tiny-open-clip', 'tiny-siglip'];

describe.each(MODELS)('%s in lower precision', (model) => {
  // 0.999 is what a full ViT-B/32 has to reach; a row of 32 numbers averages out less.
  it.each([
    ['int8', 0.999],
    ['fp16', 0.999999],
  ] as const)('%s sees what fp32 sees: the lowest cosine is above %d', async (dtype, least) => {
    const whole = await withClip(model, {}, embeddings);
    const stored = await withClip(model, { dtype }, embeddings);
    for (const [n, row] of whole.entries()) expect(cosine(row, stored[n] ?? [])).toBeGreaterThan(least);
    if (dtype === 'int8') expect(stored).not.toEqual(whole);
  });

  it('does not change text embeddings with int8', async () => {
    expect(await withClip(model, { dtype: 'int8' }, texts)).toEqual(await withClip(model, {}, texts));
  });

  it('gives an image the same embedding in any batch', async () => {
    const one = await withClip(model, { dtype: 'int8', batch: 1 }, embeddings);
    const eight = await withClip(model, { dtype: 'int8', batch: 8 }, embeddings);
    // A hundredth of the promised tolerance, because only the order of fp32 sums may differ.
    for (const [n, row] of one.entries()) expect(largestGap(row, eight[n] ?? [])).toBeLessThan(1e-6);
  });

  it.each(['int8', 'fp16'] as const)('runs as %s where the cache cannot be written', async (dtype) => {
    const kept = await withClip(model, { dtype }, embeddings);
    const env = { CLIP_CLASSIFY_CACHE: join(folder, 'no-folder/cache') };
    const inMemory = await withClip(model, { dtype, env }, embeddings);
    for (const [n, row] of kept.entries()) expect(largestGap(row, inMemory[n] ?? [])).toBeLessThan(1e-6);
  });
});
