import { expect, it } from 'vitest';
import { Pictures } from '../../src/server/pictures.ts';
import { l2Normalize } from '../../src/tensor.ts';

const HOUR = 3_600_000;
const picture = (image: string) => ({
  ok: true as const,
  image,
  embedding: l2Normalize({ rows: 1, columns: 2, data: Float32Array.of(1, 0) }),
});

it('keeps the pictures that were used last, and each for an hour after its last use', () => {
  let now = 0;
  const pictures = new Pictures(2, () => now);
  const [a, b] = [pictures.keep(picture('a')), pictures.keep(picture('b'))];
  expect(pictures.find(a)).toMatchObject({ ok: true, image: 'a' });
  const c = pictures.keep(picture('c'));
  expect(pictures.find(b)).toMatchObject({ ok: false, error: { code: 'E_NOT_FOUND' } });
  now = HOUR - 1;
  expect(pictures.find(a)).toMatchObject({ ok: true });
  now = HOUR;
  expect(pictures.find(c)).toMatchObject({ ok: false });
  now = 2 * HOUR - 2;
  expect(pictures.find(a)).toMatchObject({ ok: true });
  now = 4 * HOUR;
  pictures.keep(picture('d'));
  expect(pictures.count).toBe(1);
});
