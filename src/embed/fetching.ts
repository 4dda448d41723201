import pLimit from 'p-limit';
import { ImageError } from '../errors.ts';
import { type ImageSource, identityOf } from '../image/source.ts';
import { type Spooled, spooled } from '../image/spool.ts';
import { isUrl } from '../image/url.ts';
import type { Embedded, ImageEncoder } from './encoder.ts';

/** Fetched images that are held at once; of each at most 16 MB in memory, the rest in a file. */
const HELD = 8;

/**
 * What lies in no file is fetched by this process; the encoder, which may be in another one, is given the bytes, or the file
 * that they are in.
 *
 * @param connect makes what fetches, when the first URL is met
 */
export function fetchingEncoder(
  encoder: ImageEncoder,
  connect: () => Promise<(url: string) => Promise<Spooled>>,
): ImageEncoder {
  const held = pLimit(HELD);
  let connected: Promise<(url: string) => Promise<Spooled>> | undefined;
  const fetchImage = async (url: string) => {
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
          : 'read' in source && (async () => spool(await source.read()));
      if (!fetch) return withIdentity(source, (bare) => encoder.encode(bare, options, onStage));
      return held(async () => {
        const identity = identityOf(source);
        const name = identity.image;
        try {
          const fetched = await fetch();
          if ('bytes' in fetched) return await encoder.encode({ name, ...fetched }, options, onStage);
          const { path, close } = fetched;
          return withoutPath(await encoder.encode({ name, path }, options, onStage).finally(close));
        } catch (error) {
          if (error instanceof ImageError) return { ok: false, ...identity, error };
          throw error;
        }
      });
    },
  };
}

/** What is known of a member of an archive stays in this process. */
async function withIdentity(source: ImageSource, encode: (bare: ImageSource) => Promise<Embedded>): Promise<Embedded> {
  if (typeof source === 'string' || !('member' in source) || !('bytes' in source)) return encode(source);
  const { name, bytes } = source;
  return { ...(await encode({ name, bytes })), ...identityOf(source) };
}

function spool(bytes: Uint8Array): Spooled {
  if (!(bytes instanceof Uint8Array)) return { bytes }; // the encoder says what is wrong
  const collector = spooled();
  collector.add(bytes);
  return collector.end();
}

/** The file is ours: results know the image by its name alone. */
function withoutPath(result: Embedded): Embedded {
  const { pathBytes: _, ...rest } = result;
  return rest;
}
