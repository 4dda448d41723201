import { ImageError } from '../../errors.ts';
import { type DecodeOptions, decode } from '../../image/decode.ts';
import { readSource } from '../../image/source.ts';
import { thumbnail } from '../../image/thumbnail.ts';

/** Pixels of the longer side: sharp on a dense screen at half of it. */
const SIDE = 240;

/**
 * Images as `data:` addresses, upright, under the limits that they were classified under. One that cannot be read any
 * more is left out.
 */
export async function thumbnails(
  images: readonly string[],
  { maxPixels }: Pick<DecodeOptions, 'maxPixels'>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const image of images) {
    try {
      const rgb = await decode(await readSource(image), image, { exif: true, maxPixels });
      const bytes = await thumbnail(rgb, SIDE);
      found.set(image, `data:image/webp;base64,${Buffer.from(bytes).toString('base64')}`);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  }
  return found;
}
