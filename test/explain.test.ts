import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../src/clip.ts';
import { explainImage, requireCheckpoint } from '../src/explain.ts';
import { drawHeatMap } from '../src/image/heat-map.ts';
import { colourAt, drawOverlay } from '../src/image/overlay.ts';
import { describeModel } from '../src/model/describe.ts';
import { openSession } from '../src/model/session.ts';
import { patchFeatureGraph } from '../src/onnx/patch-features.ts';
import { l2Normalize, row } from '../src/tensor.ts';
import golden from './golden/patches.json' with { type: 'json' };
import { PREPROCESSING } from './image/outcome.ts';
import { fixture } from './paths.ts';

/** As in clip.test.ts: float32 on both sides, sums in another order. */
const TOLERANCE = 1e-5;

const unit = (values: readonly number[]) => values.map((value) => value / Math.hypot(...values));

describe(`patch features agree with ${golden.source}`, () => {
  it.each(golden.cases)('$model', async ({ model, patches }) => {
    const { contents } = await describeModel(fixture(model));
    if (contents.kind !== 'checkpoint') return expect.fail();
    const { checkpoint, architecture } = contents;
    const side = architecture.image.imageSize;
    const graph = {
      bytes: patchFeatureGraph(checkpoint, architecture),
      weights: { folder: checkpoint.folder },
    };
    const session = await openSession(graph, { threads: 1, provider: 'cpu', device: 0 });
    const data = Float32Array.from({ length: 3 * side * side }, (_, n) => Math.sin(n * 0.37));
    const feeds = { pixel_values: { type: 'float32', data, shape: [1, 3, side, side] } } as const;
    const [features] = await session.run(feeds, ['patch_embeds']);
    await session.release();
    if (features === undefined) return expect.fail();

    expect(features).toMatchObject({ rows: patches.length, columns: patches[0]?.length });
    expect(patches.length).toBe(architecture.image.grid ** 2);
    const rows = l2Normalize(features);
    for (const [n, expected] of patches.entries()) {
      const actual = row(rows, n);
      const gaps = unit(expected).map((value, d) => Math.abs(value - (actual[d] as number)));
      expect(Math.max(...gaps)).toBeLessThan(TOLERANCE);
    }
  });
});

describe('explainImage', () => {
  const image = fixture('images/odd.jpg');

  it('gives a cosine for each patch, with the mean of the prompts of a label', async () => {
    const clip = await loadModel(fixture('tiny-class'), { threads: 1 });
    const templates = ['a photo of a {}', 'the {} in a very bright street.'];
    const found = await explainImage(clip, image, ' small bird ', { templates, threads: 1 });
    if (!found.ok) throw found.error;
    expect(found).toMatchObject({ image, label: 'small bird', grid: 4 });
    expect(found.cosines.length).toBe(16);
    expect(found.cosines.every((cosine) => Math.abs(cosine) < 1)).toBe(true);
    expect(new Set(found.cosines).size).toBe(16);
    const meanOfPrompts = await explainImage(
      clip,
      image,
      { label: 'x', prompts: ['a photo of a small bird', 'the small bird in a very bright street.'] },
      { threads: 1 },
    );
    expect(meanOfPrompts.ok && meanOfPrompts.cosines).toEqual(found.cosines);
    await clip.release();
  });

  it('sees the same patches in the layout of open_clip and in half precision', async () => {
    for (const [name, grid] of [
      ['tiny-open-clip', 4],
      ['tiny-gelu-f16', 3],
    ] as const) {
      const clip = await loadModel(fixture(name), { threads: 1 });
      const found = await explainImage(clip, image, 'cat', { threads: 1 });
      expect(found).toMatchObject({ ok: true, grid });
      await clip.release();
    }
  });

  it('refuses ONNX models, because their inner values cannot be read', async () => {
    const readyMade = Object.create(null);
    const clip = { name: 'graphs', contents: { kind: 'onnx', readyMade } } as const;
    expect(() => requireCheckpoint(clip)).toThrow(/^a heat map needs a checkpoint, but graphs is an ONNX model/);
  });

  it('returns an error for a bad image, and throws for an invalid label', async () => {
    const clip = await loadModel(fixture('tiny-siglip'), { threads: 1 });
    const bad = await explainImage(clip, { name: 'bad', bytes: Buffer.from('hello') }, 'cat', { threads: 1 });
    expect(bad).toMatchObject({ ok: false, image: 'bad', error: { code: 'E_FORMAT' } });
    await expect(explainImage(clip, image, ' ')).rejects.toMatchObject({ code: 'E_LABELS' });
    await clip.release();
  });
});

describe('the heat map of the starter', () => {
  it('is a class activation map that points at the object, also where it is small', async () => {
    // The rocket in a corner of a plain grey picture: the brightest patch must lie in this corner.
    const rocket = await sharp('examples/rocket.jpg').resize(110, 110, { fit: 'cover' }).png().toBuffer();
    const clip = await loadModel('starter', { threads: 1 });
    for (const [left, top] of [
      [0, 0],
      [150, 150],
    ] as const) {
      const bytes = await sharp({ create: { width: 260, height: 260, channels: 3, background: '#778' } })
        .composite([{ input: rocket, left, top }])
        .png()
        .toBuffer();
      const found = await explainImage(clip, { name: 'corner', bytes }, 'rocket', { threads: 1 });
      if (!found.ok) throw found.error;
      expect(found).toMatchObject({ measure: 'class activation', grid: 9 });
      const at = found.map.indexOf(Math.max(...found.map));
      const [x, y] = [(((at % 9) + 0.5) * 260) / 9, ((Math.floor(at / 9) + 0.5) * 260) / 9];
      expect([x > left && x < left + 110, y > top && y < top + 110]).toEqual([true, true]);
    }
    await clip.release();
  });
});

describe('a heat map', () => {
  it('shows label, score, photograph, map and scale, each at its place', async () => {
    const plain = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3).fill(90) };
    const map = { grid: 4, patch: 8, values: Float32Array.from({ length: 16 }, (_, n) => n) };
    const caption = { label: 'Käfer <&>', measure: 'the cosine' };
    const draw = async (score?: number) =>
      sharp(await drawHeatMap(plain, PREPROCESSING, map, { ...caption, ...(score !== undefined && { score }) }))
        .raw()
        .toBuffer({ resolveWithObject: true });
    const { data, info } = await draw(0.5);
    const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
    expect(pixel(24 + 320, 84 + 320)).toEqual([90, 90, 90]); // the photograph, as it is
    expect(pixel(2 * 24 + 640 + 80, 84 + 80)).toEqual(colourAt(0).map((level) => Math.round((level + 90) / 2)));
    const dark = (top: number, bottom: number) =>
      [...data.subarray(top * info.width * 3, bottom * info.width * 3)].filter((level) => level < 100).length;
    expect(dark(18, 45)).toBeGreaterThan(300); // the label, without any font of the system
    expect(dark(50, 72)).toBeGreaterThan(300); // the score
    expect(dark(info.height - 40, info.height - 10)).toBeGreaterThan(300); // the ends of the scale
    expect((await draw(0.6)).data.equals(data)).toBe(false);
  });
});

describe('the overlay', () => {
  const read = async (png: Uint8Array) => {
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
    return { width: info.width, height: info.height, pixel };
  };

  it('uses the colours of matplotlib’s viridis: both ends and the middle agree', () => {
    // matplotlib.colormaps['viridis'](x, bytes=True); ten straight pieces are up to three levels off
    const truth = [
      [0, [68, 1, 84]],
      [0.25, [59, 82, 139]],
      [0.5, [33, 145, 140]],
      [0.75, [94, 201, 98]],
      [1, [253, 231, 37]],
    ] as const;
    for (const [share, colour] of truth)
      for (const [c, level] of colourAt(share).entries())
        expect(Math.abs(level - (colour[c] as number))).toBeLessThanOrEqual(4);
  });

  it('colours each patch at its place, by its value between the lowest and the highest', async () => {
    const [grey, grid, cell] = [100, 4, 160];
    const values = Array.from({ length: grid ** 2 }, (_, n) => 0.1 + ((n * 7) % 16) / 100); // 0.10 … 0.25, each once
    const plain = { width: 90, height: 60, data: new Uint8Array(90 * 60 * 3).fill(grey) };
    const { width, height, pixel } = await read(await drawOverlay(plain, PREPROCESSING, { grid, patch: 8, values }));
    expect([width, height]).toEqual([640, 656]);
    for (const [n, value] of values.entries()) {
      const [left, top] = [(n % grid) * cell, Math.floor(n / grid) * cell];
      const tint = colourAt((value - 0.1) / 0.15);
      const expected = tint.map((level) => Math.round((level + grey) / 2));
      for (const [x, y] of [
        [left + 1, top + 1],
        [left + cell - 1, top + cell - 1],
        [left + 80, top + 80],
      ] as const)
        expect(pixel(x, y)).toEqual(expected);
      expect(pixel(left, top + 80)).toEqual([25, 25, 25]);
    }
    expect(pixel(0, 650)).toEqual([...colourAt(0)]);
    expect(pixel(639, 650)).toEqual([...colourAt(1)]);
  });

  it('shows what the model sees: the middle of the picture, in the grid of its patches', async () => {
    // Left and right of the middle square is red, which no patch contains.
    const [width, height] = [96, 32];
    const data = new Uint8Array(width * height * 3);
    for (let n = 0; n < width * height; n++)
      data.set(n % width < 24 || n % width >= 72 ? [255, 0, 0] : [0, 0, 0], n * 3);
    const map = { grid: 4, patch: 8, values: new Float32Array(16) };
    const overlay = await read(await drawOverlay({ width, height, data }, PREPROCESSING, map));
    const tinted = colourAt(0).map((level) => Math.round(level / 2));
    for (const [x, y] of [
      [1, 1],
      [638, 1],
      [1, 638],
      [638, 638],
    ] as const)
      expect(overlay.pixel(x, y)).toEqual(tinted);
  });

  it('does not colour the margin that no patch covers', async () => {
    const uneven = { ...PREPROCESSING, size: 34, resizeTo: 34 };
    const photo = await sharp(await readFile(fixture('images/exact.png')))
      .removeAlpha()
      .raw()
      .toBuffer();
    const map = { grid: 4, patch: 8, values: new Float32Array(16) };
    const overlay = await read(await drawOverlay({ width: 32, height: 32, data: photo }, uneven, map));
    expect([overlay.width, overlay.height]).toEqual([640, 656]);
  });
});
