import type { RgbImage } from '../resample.ts';
import { blocksOf, type Layout } from './blocks.ts';
import { type Directory, TAG } from './directory.ts';

/** ITU-R BT.601: the shares of red, green and blue in luminance. */
const BT601 = [0.299, 0.587, 0.114] as const;

/**
 * Decodes pictures that are stored as luminance and two colour differences (TIFF 6.0, section 21), with the coefficients and range in
 * the file. A group of up to 4 × 4 pixels may share its colour differences.
 *
 * @throws RangeError if the data are truncated
 */
export function readYCbCr(bytes: Uint8Array, directory: Directory, layout: Layout): RgbImage {
  const { width, height } = layout;
  const [across = 2, down = 2] = directory.values(TAG.yCbCrSubsampling);
  if (![1, 2, 4].includes(across) || ![1, 2, 4].includes(down))
    throw new RangeError('its colour subsampling is not supported');
  const toRgb = conversionOf(directory);
  const data = new Uint8ClampedArray(width * height * 3);
  const unit = across * down + 2;
  const bytesOf = (columns: number, rows: number) => Math.ceil(columns / across) * Math.ceil(rows / down) * unit;
  for (const block of blocksOf(bytes, directory, layout, bytesOf)) {
    const unitsAcross = Math.ceil(block.width / across);
    const unitRows = Math.ceil(block.height / down);
    for (let n = 0; n < unitsAcross * unitRows; n++) {
      const at = n * unit;
      const [cb, cr] = [block.data[at + unit - 2] as number, block.data[at + unit - 1] as number];
      for (let k = 0; k < across * down; k++) {
        const x = (n % unitsAcross) * across + (k % across);
        const y = Math.trunc(n / unitsAcross) * down + Math.trunc(k / across);
        if (x >= block.width || block.left + x >= width || y >= block.height || block.top + y >= height) continue;
        toRgb(block.data[at + k] as number, cb, cr, data, ((block.top + y) * width + block.left + x) * 3);
      }
    }
  }
  return { width, height, data };
}

type ToRgb = (y: number, cb: number, cr: number, to: Uint8ClampedArray, at: number) => void;

function conversionOf(directory: Directory): ToRgb {
  const coefficients = directory.values(TAG.yCbCrCoefficients);
  const [red = 0, green = 0, blue = 0] = coefficients.length === 3 && coefficients[1] ? coefficients : BT601;
  const reference = directory.values(TAG.referenceBlackWhite);
  const [y0 = 0, y1 = 255, b0 = 128, b1 = 255, r0 = 128, r1 = 255] = reference.length === 6 ? reference : [];
  const span = (from: number, to: number) => (to === from ? 1 : to - from);
  return (storedY, storedCb, storedCr, to, at) => {
    const y = ((storedY - y0) * 255) / span(y0, y1);
    const cb = ((storedCb - b0) * 127) / span(b0, b1);
    const cr = ((storedCr - r0) * 127) / span(r0, r1);
    const r = y + (2 - 2 * red) * cr;
    const b = y + (2 - 2 * blue) * cb;
    to[at] = r;
    to[at + 1] = (y - blue * b - red * r) / green;
    to[at + 2] = b;
  };
}
