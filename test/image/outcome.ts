import { expect } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { fitImage, normalize, type Preprocessing } from '../../src/image/preprocess.ts';

const SIZE = 32;
export const PREPROCESSING: Preprocessing = {
  size: SIZE,
  resizeTo: SIZE,
  fit: 'crop',
  rounding: 'even',
  filter: 'bicubic',
  divisor: 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
};
const CODES = ['E_FORMAT', 'E_DECODE', 'E_PIXEL_LIMIT', 'E_TIMEOUT'];

/** The outcome of an image: 'ok' with 3 × S × S finite values, or the code of its error. */
export async function outcome(bytes: Uint8Array, options = {}): Promise<string> {
  try {
    const image = await decode(bytes, 'x', { ...DEFAULT_DECODE, ...options });
    expect(image.data.length).toBe(image.width * image.height * 3);
    const values = normalize(fitImage(image, PREPROCESSING), PREPROCESSING);
    expect(values.length).toBe(3 * SIZE * SIZE);
    expect(values.every(Number.isFinite)).toBe(true);
    return 'ok';
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    expect(CODES).toContain(error.code);
    expect(error.message).not.toContain('\n');
    return error.code;
  }
}
