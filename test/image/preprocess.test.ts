import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { fitImage, normalize, type Preprocessing } from '../../src/image/preprocess.ts';
import golden from '../golden/pixels.json' with { type: 'json' };
import { fixture, hasShared, shared } from '../paths.ts';

const crop = (size: number, changes: Partial<Preprocessing> = {}): Preprocessing => {
  return {
    size,
    resizeTo: size,
    fit: 'crop',
    rounding: 'even',
    filter: 'bicubic',
    divisor: 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    ...changes,
  };
};

async function digest(path: string, preprocessing: Preprocessing, exif = false): Promise<string> {
  const image = await decode(await readFile(path), path, { exif, maxPixels: 1e8 });
  return createHash('sha256').update(fitImage(image, preprocessing).data).digest('hex');
}

// Bytes, so no tolerance.
describe(`crops are those of ${golden.source}`, () => {
  it.each(golden.cases)('$image', async (expected) => {
    const path = fixture(`images/${expected.image}`);
    expect(await digest(path, crop(32))).toBe(expected.bicubic32);
    expect(await digest(path, crop(224))).toBe(expected.bicubic224);
    expect(await digest(path, crop(50, { filter: 'bilinear' }))).toBe(expected.bilinear50);
    expect(await digest(path, crop(24, { fit: 'squash' }))).toBe(expected.squash24);
  });

  it('turns an image upright by its EXIF orientation', async () => {
    const path = fixture(`images/${golden.turned.image}`);
    expect(await digest(path, crop(32), true)).toBe(golden.turned.bicubic32);
  });
});

describe('fitImage', () => {
  it('computes only the pixels that the crop of a strip needs', () => {
    const strip = { width: 50_000, height: 1, data: new Uint8Array(150_000).fill(7) };
    const square = fitImage(strip, crop(224)); // the whole resized strip, 224 × 11,200,000 pixels, would fit no buffer
    expect(square.data.length).toBe(224 * 224 * 3);
    expect(square.data.every((value) => value === 7)).toBe(true);
  });

  // Recorded from transformers 5.24, image_transforms.get_size_with_aspect_ratio: [picture, shortest edge, longest edge, resized].
  it.each([
    [[500, 375], 64, 90, [85, 64]],
    [[375, 500], 80, 100, [75, 100]],
    [[500, 333], 64, 90, [90, 60]],
    [[400, 40], 64, 90, [90, 9]],
    [[128, 90], 64, 90, [90, 63]],
    [[1409, 1000], 80, 100, [100, 71]],
    [[101, 100], 64, 90, [64, 64]],
  ] as const)(
    '%j: the short side becomes %i, the long side %i at most',
    ([width, height], resizeTo, longestEdge, resized) => {
      const white = { width, height, data: new Uint8Array(width * height * 3).fill(255) };
      const { data } = fitImage(white, { ...crop(200), resizeTo, longestEdge, rounding: 'down' });
      const isWhite = (x: number, y: number) => data[(y * 200 + x) * 3] === 255;
      const all = [...Array(200).keys()];
      expect([all.filter((x) => isWhite(x, 100)).length, all.filter((y) => isWhite(100, y)).length]).toEqual(resized);
    },
  );

  it('normalises to planes of (pixel / 255 - mean) / std', () => {
    const image = { width: 2, height: 1, data: Uint8Array.from([0, 51, 255, 255, 102, 0]) };
    const values = normalize(image, crop(2, { mean: [0.5, 0, 0.2], std: [0.5, 1, 0.4] }));
    const expected = [-1, 1, 0.2, 0.4, 2, -0.5];
    for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, 6);
  });
});

describe.skipIf(!hasShared)('reference pixels (../shared; skipped where it is missing)', async () => {
  const { cases } = hasShared
    ? JSON.parse(await readFile(`${shared}reference/pixels.json`, 'utf8'))
    : { cases: [] as { image: string }[] };
  it.each(cases as Record<string, { sha256: string }>[])('$image', async (expected) => {
    const image = String(expected['image']);
    const path = image.startsWith('photos/') ? `${shared}${image}` : `${shared}reference/${image}`;
    expect(await digest(path, crop(224))).toBe(expected['224']?.sha256);
    expect(await digest(path, crop(336))).toBe(expected['336']?.sha256);
    expect(await digest(path, crop(256, { filter: 'bilinear' }))).toBe(expected['bilinear256']?.sha256);
  });
});
