import { ImageError } from '../errors.ts';
import { DEFAULT_DECODE } from './decode-options.ts';
import { type Header, pixelLimit } from './format.ts';

/** The longest side, in pixels. A longer line could not be processed in strips. Only PNG and TIFF can have one, and no camera makes it. */
const MAX_SIDE = 1_000_000;

/** Images with more than a sixth of their pixel limit are decoded one at a time. */
const LARGE = 1 / 6;

/**
 * The number of pixels of the image, and the number from which an image counts as large.
 *
 * @throws ImageError E_PIXEL_LIMIT
 */
export function checkPixels(
  { width, height, ...header }: Header & { readonly width: number; readonly height: number },
  name: string,
  maxPixels: number,
): { readonly pixels: number; readonly large: number } {
  const nextStep = 'make a smaller copy of the image, or increase `maxPixels`';
  const pixels = width * height;
  const limit = pixelLimit(header, maxPixels);
  if (!(pixels <= limit)) {
    const kind =
      limit < maxPixels ? ` for ${header.progressive ? 'a progressive or interlaced' : 'a'} ${header.format}` : '';
    const fact = `${name} has ${width} × ${height} pixels; the limit${kind} is ${limit}`;
    throw new ImageError('E_PIXEL_LIMIT', fact, nextStep);
  }
  if (Math.max(width, height) > MAX_SIDE) {
    const fact = `${name} has ${width} × ${height} pixels; the limit of a side is ${MAX_SIDE}`;
    throw new ImageError('E_PIXEL_LIMIT', fact, 'crop the image');
  }
  return { pixels, large: LARGE * pixelLimit(header, DEFAULT_DECODE.maxPixels) };
}
