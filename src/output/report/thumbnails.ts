import { ImageError } from '../../errors.ts';
import { decode } from '../../image/decode.ts';
import type { DecodeOptions } from '../../image/decode-options.ts';
import type { FetchImage } from '../../image/download.ts';
import { type ImageIdentity, readSource, sourceOfIdentity } from '../../image/source.ts';
import { thumbnail } from '../../image/thumbnail.ts';

/** Pixels of the longer side: sharp on a dense screen at half of it. */
const SIDE = 240;

/** Under which name a picture is found: two paths that are no valid UTF-8 may be shown alike. */
export function pictureKey({ image, pathBytes }: ImageIdentity): string {
  return pathBytes === undefined ? image : `${image}\0${Buffer.from(pathBytes).toString('base64')}`;
}

/**
 * Images as `data:` addresses, by {@link pictureKey}; upright, under the limits that they were classified under. One that
 * cannot be read any more is left out; so is a URL that needs a password, which its name does not have.
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
