import { createHash } from 'node:crypto';
import { cp, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inferArchitecture } from '../../src/checkpoint/infer.ts';
import { type Clip, loadModel } from '../../src/clip.ts';
import { readModelFolder } from '../../src/model/folder.ts';
import { buildGraph } from '../../src/onnx/encoders.ts';
import { fixture } from '../paths.ts';

/** Convolutions without and with batch normalisation. */
const MODELS = ['convnext', 'resnet'] as const;
const IMAGES = ['rgb.png', 'odd.jpg', 'grey.jpg'].map((name) => fixture(`images/${name}`));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'optimized-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function embeddings(model: string, cache: string, onCacheTrouble?: (error: unknown) => void): Promise<number[]> {
  const env = { CLIP_CLASSIFY_CACHE: cache };
  const clip: Clip = await loadModel(model, { threads: 1, few: true, env, ...(onCacheTrouble && { onCacheTrouble }) });
  const rows: number[] = [];
  for await (const one of clip.encodeImages(IMAGES))
    rows.push(...(one.ok ? one.embedding.data : expect.fail(one.error.message)));
  await clip.release();
  return rows;
}

async function kept(): Promise<string[]> {
  const names = await readdir(join(folder, 'cache/weights'), { recursive: true });
  return names.filter((name) => /\.(onnx|weights)$/u.test(name)).sort();
}

const gap = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, n) => Math.abs(value - (b[n] ?? Number.NaN))));

describe.each(MODELS)('the optimised graph of a %s', (kind) => {
  const model = fixture(`peers/${kind}`);
  const cache = () => join(folder, 'cache');

  it('is cached, and gives the embeddings of the plain graph, which is opened if nothing can be cached', async () => {
    const troubles: unknown[] = [];
    await writeFile(join(folder, 'file'), '');
    const plain = await embeddings(model, join(folder, 'file/cache'), (error) => troubles.push(error));
    expect(troubles).not.toEqual([]);
    const first = await embeddings(model, cache());
    const files = await kept();
    expect(files).toHaveLength(2);
    const second = await embeddings(model, cache());
    expect(await kept()).toEqual(files);
    expect(gap(second, first)).toBeLessThan(1e-6); // how many images share a run depends on time
    expect(gap(first, plain)).toBeLessThan(1e-6); // the same operations in float32
  });

  it('is written again if a byte of its weights has changed', async () => {
    const first = await embeddings(model, cache());
    const weights = (await kept())[1] ?? expect.fail('no weights');
    const file = await open(join(cache(), 'weights', weights), 'r+');
    await file.write(Buffer.from([0x7f, 0x7f, 0x7f, 0x7f]), 0, 4, 0);
    await file.close();
    expect(gap(await embeddings(model, cache()), first)).toBeLessThan(1e-6);
  });

  it('is written again for a checkpoint that has changed, and the old one is deleted', async () => {
    const own = join(folder, 'model');
    await cp(model, own, { recursive: true });
    await embeddings(own, cache());
    const before = await kept();
    const [name = ''] = (await readdir(own)).filter((one) => one.endsWith('.safetensors'));
    await cp(join(model, name), join(own, name)); // the same bytes, other times
    await embeddings(own, cache());
    expect(await kept()).toHaveLength(before.length);
    expect(await kept()).not.toEqual(before);
  });
});

// FORMAT in src/model/optimized-graph.ts is part of the name of a kept graph. Count it up when one of these changes.
it.each([
  ['convnext', '6c8e12a6b9d33ef3c65953374ecd9a82b5a5975aa5fdf4fb4a46ccdd4a4c7118'],
  ['resnet', '8f2922e372dc9d846321bfb2a69bcd4380ad1a1ed197f90ea636d46b68e73330'],
])('the graph of a %s is the one that FORMAT stands for', async (kind, sha256) => {
  const { checkpoint, config } = await readModelFolder(fixture(`peers/${kind}`));
  const graph = buildGraph(checkpoint, inferArchitecture(checkpoint, config), 'image');
  expect(createHash('sha256').update(graph).digest('hex')).toBe(sha256);
});
