import { describe, expect, it } from 'vitest';
import type { Span } from '../../src/image/kernel.ts';
import { resample } from '../../src/image/resample.ts';
import { resamplePlainly } from './plain.ts';
import { random } from './random.ts';

// preprocess.test.ts compares with Pillow's bytes. Plain loops are the reference for other sizes.
describe('resample', () => {
  const next = random(5);
  const whole = (low: number, high: number) => low + (next() % (high - low + 1));
  const span = (): Span => {
    const resized = whole(1, 40);
    const first = whole(0, resized - 1);
    return { resized, first, length: whole(1, resized - first) };
  };
  const picture = (width: number, height: number) => {
    return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => next() & 255) };
  };

  it('equals plain loops for 300 unusual sizes', () => {
    for (let i = 0; i < 300; i++) {
      const image = picture(whole(1, 90), whole(1, 90));
      const [columns, rows, filter] = [span(), span(), i % 2 === 0 ? 'bicubic' : 'bilinear'] as const;
      const { data, width, height } = resample(image, columns, rows, filter);
      expect([width, height]).toEqual([columns.length, rows.length]);
      const plain = resamplePlainly(image, columns, rows, filter);
      if (!Buffer.from(data).equals(Buffer.from(plain.data))) expect({ image, columns, rows, data }).toEqual(plain);
    }
  });

  it.each([
    ['many strips', 5000, 70],
    ['a line longer than a strip', 100_000, 3],
    ['a line that takes more memory than is kept', 900_000, 1],
    ['a column of more lines than a strip has', 1, 20_000],
  ])('gives what plain loops give, for %s', (_, width, height) => {
    const image = picture(width, height);
    const square = { resized: 24, first: 0, length: 24 };
    const plain = resamplePlainly(image, square, square, 'bicubic');
    expect(Buffer.from(resample(image, square, square, 'bicubic').data).equals(Buffer.from(plain.data))).toBe(true);
  });
});
