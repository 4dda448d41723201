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
