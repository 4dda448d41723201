import { ImageError } from '../../errors.ts';
import { decode } from '../../image/decode.ts';
import type { DecodeOptions } from '../../image/decode-options.ts';
import type { FetchImage } from '../../image/download.ts';
import { thumbnail } from '../../image/libvips.ts';
import { type ImageIdentity, readSource, sourceOfIdentity } from '../../image/source.ts';

/** Pixels of the longer side. The page shows it at half this size, so that it is sharp on a dense screen. */
const SIDE = 240;

/** The key of a picture. Its shown name is not enough, because two paths that are not valid UTF-8 may look the same. */
export function pictureKey({ image, pathBytes }: ImageIdentity): string {
  return pathBytes === undefined ? image : `${image}\0${Buffer.from(pathBytes).toString('base64')}`;
}

/**
 * Images as `data:` addresses by {@link pictureKey}, upright, with the limits of the run. An image that can no longer be read is
 * skipped, and so is a URL with a password, because its name does not contain the password.
 */
export async function thumbnails(
  images: readonly ImageIdentity[],
  { maxPixels, svg }: Pick<DecodeOptions, 'maxPixels' | 'svg'>,
  fetchImage: FetchImage,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const identity of images) {
    const source = sourceOfIdentity(identity);
    try {
      const encoded = await (source.kind === 'url' ? fetchImage(source.url) : readSource(source));
      const rgb = await decode(encoded, source.name, { exif: true, maxPixels, ...(svg !== undefined && { svg }) });
      const bytes = await thumbnail(rgb, SIDE);
      found.set(pictureKey(identity), `data:image/webp;base64,${Buffer.from(bytes).toString('base64')}`);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  }
  return found;
}
