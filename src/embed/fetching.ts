import pLimit from 'p-limit';
import { ImageError } from '../errors.ts';
import type { FetchImage } from '../image/download.ts';
import { identityOf } from '../image/source.ts';
import { isUrl } from '../image/url.ts';
import type { ImageEncoder } from './encoder.ts';

/** Fetched images that are held at once, at 200 MB each at most. */
const HELD = 8;

/**
 * What lies in no file is fetched by this process; the encoder, which may be in another one, is given the bytes.
 *
 * @param connect makes what fetches, when the first URL is met
 */
export function fetchingEncoder(encoder: ImageEncoder, connect: () => Promise<FetchImage>): ImageEncoder {
  const held = pLimit(HELD);
  let connected: Promise<FetchImage> | undefined;
  const fetchImage: FetchImage = async (url) => {
    connected ??= connect();
    return (await connected)(url);
  };
  return {
    provider: () => encoder.provider(),
    release: () => encoder.release(),
    async encode(source, options, onStage) {
      const fetch =
        typeof source === 'string'
          ? isUrl(source) && (() => fetchImage(source))
          : 'read' in source && (() => source.read());
      if (!fetch) return encoder.encode(source, options, onStage);
      return held(async () => {
        const identity = identityOf(source);
        try {
          return await encoder.encode({ name: identity.image, bytes: await fetch() }, options, onStage);
        } catch (error) {
          if (error instanceof ImageError) return { ok: false, ...identity, error };
          throw error;
        }
      });
    },
  };
}
