import { sharp } from './libvips.ts';
import type { RgbImage } from './resample.ts';

/**
 * A small copy of a decoded image: a WebP of a few kilobytes.
 *
 * @param side the longest side in pixels; a smaller image is not enlarged
 */
export function thumbnail({ width, height, data }: RgbImage, side: number): Promise<Uint8Array> {
  return sharp()(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer();
}
