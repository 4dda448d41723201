import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { fitImage } from '../../src/image/preprocess.ts';
import { fixture } from '../paths.ts';
import { PREPROCESSING } from './outcome.ts';

const fast = { ...DEFAULT_DECODE, resize: 'fast' } as const;
const large = () => sharp(fixture('images/odd.jpg')).resize(1_600, 1_200, { fit: 'fill' });

describe('fast resize', () => {
  it.each(['jpeg', 'webp'] as const)('shrinks a large %s in the decoder, and pixels stay near', async (format) => {
    const bytes = await large().toFormat(format, { quality: 90 }).toBuffer();
    const shrunk = await decode(bytes, 'x', fast, 32);
    expect([shrunk.width, shrunk.height]).toEqual([85, 64]);
    const crop = fitImage(shrunk, PREPROCESSING).data;
    const exact = fitImage(await decode(bytes, 'x', DEFAULT_DECODE, 32), PREPROCESSING).data;
    let distance = 0;
    for (const [i, value] of crop.entries()) distance += Math.abs(value - (exact[i] as number));
    expect(distance / crop.length).toBeLessThan(3); // of 255; measured: docs/performance.md
  });

  it('follows the EXIF orientation', async () => {
    const bytes = await large().jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await decode(bytes, 'x', fast, 32)).toMatchObject({ width: 64, height: 85 });
    expect(await decode(bytes, 'x', { ...fast, exif: false }, 32)).toMatchObject({ width: 85, height: 64 });
  });

  it.each([
    ['a PNG', () => large().png(), 32],
    ['a small picture', () => large().resize(900).jpeg(), 32],
    ['one that is not much larger than what is wanted', () => large().jpeg(), 224],
  ])('leaves %s as it is', async (_, make, wanted) => {
    const bytes = await make().toBuffer();
    const [left, exact] = await Promise.all([decode(bytes, 'x', fast, wanted), decode(bytes, 'x', DEFAULT_DECODE)]);
    expect([left.width, left.height]).toEqual([exact.width, exact.height]);
    expect(Buffer.from(left.data).equals(Buffer.from(exact.data))).toBe(true);
  });
});
