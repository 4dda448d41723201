import pLimit from 'p-limit';
import { ImageError } from '../errors.ts';
import { type Spooled, spooled } from '../image/spool.ts';
import type { ImageEncoder } from './encoder.ts';

/** Fetched images that are held at once; of each at most 16 MB in memory, the rest in a file. */
const HELD = 8;

/**
 * Reads URLs and streams in this process. The encoder, which may be in another process, gets the bytes, or a temporary file
 * if they are many.
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
      if (source.kind === 'file' || source.kind === 'bytes') return encoder.encode(source, options, onStage);
      return held(async () => {
        const { name } = source;
        try {
          const fetched = source.kind === 'url' ? await fetchImage(source.url) : spool(await source.read());
          if ('bytes' in fetched) return await encoder.encode({ kind: 'bytes', name, ...fetched }, options, onStage);
          const { path, close } = fetched;
          return await encoder.encode({ kind: 'file', name, path }, options, onStage).finally(close);
        } catch (error) {
          if (error instanceof ImageError) return { ok: false, image: name, error };
          throw error;
        }
      });
    },
  };
}

function spool(bytes: Uint8Array): Spooled {
  const collector = spooled();
  collector.add(bytes);
  return collector.end();
}
