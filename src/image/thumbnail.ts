import { sharp } from './libvips.ts';
import type { RgbImage } from './resample.ts';

/**
 * A small copy of a decoded image, for people to look at: WebP of a few kilobytes.
 *
 * @param side pixels of its longer side, at most; a smaller image stays as it is
 */
export function thumbnail({ width, height, data }: RgbImage, side: number): Promise<Uint8Array> {
  return sharp()(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer();
}
