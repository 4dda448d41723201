import { ImageError } from '../errors.ts';
import { DEFAULT_DECODE } from './decode-options.ts';
import { type Header, pixelLimit } from './format.ts';

/** The longest side, in pixels. A longer line could not be processed in strips. Only PNG and TIFF can have one, and no camera makes it. */
const MAX_SIDE = 1_000_000;

/**
 * Checks the size of an image.
 *
 * @returns what decoding costs: the pixels of a JPEG with the same need of memory
 * @throws ImageError E_PIXEL_LIMIT
 */
export function checkPixels(
  { width, height, ...header }: Header & { readonly width: number; readonly height: number },
  name: string,
  maxPixels: number,
): number {
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
  return (pixels * DEFAULT_DECODE.maxPixels) / pixelLimit(header, DEFAULT_DECODE.maxPixels);
}
