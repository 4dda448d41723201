import { axisKernel, type Filter, type Kernel, type Span } from '../../src/image/kernel.ts';
import type { RgbImage } from '../../src/image/resample.ts';

const HALF = 1 << 21;

/** The two passes as plain loops: a second opinion on the SIMD ones. */
export function resamplePlainly(image: RgbImage, columns: Span, rows: Span, filter: Filter): RgbImage {
  const across = (one: RgbImage) => pass(one, axisKernel(image.width, columns, filter));
  const down = (one: RgbImage) => turn(pass(turn(one), axisKernel(image.height, rows, filter)));
  const shrinks = image.height - rows.resized;
  return shrinks > 0 && shrinks > 2 * (image.width - columns.resized) ? across(down(image)) : down(across(image));
}

/** `[h, w, 3] → [h, kernel, 3]` */
function pass({ width, height, data }: RgbImage, { starts, lengths, weights, stride }: Kernel): RgbImage {
  const result = new Uint8ClampedArray(height * starts.length * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < starts.length; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = HALF;
        for (let k = 0; k < (lengths[x] as number); k++) {
          const value = data[(y * width + (starts[x] as number) + k) * 3 + channel] as number;
          sum = (sum + Math.imul(value, weights[x * stride + k] as number)) | 0;
        }
        result[(y * starts.length + x) * 3 + channel] = sum >> 22;
      }
    }
  }
  return { width: starts.length, height, data: result };
}

/** Rows become columns. */
function turn({ width, height, data }: RgbImage): RgbImage {
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) result[(x * height + y) * 3 + c] = data[(y * width + x) * 3 + c] as number;
    }
  }
  return { width: height, height: width, data: result };
}
