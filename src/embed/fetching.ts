import pLimit from 'p-limit';
import { ImageError } from '../errors.ts';
import { type ImageSource, identityOf } from '../image/source.ts';
import { type Spooled, spooled } from '../image/spool.ts';
import type { ImageEncoder } from './encoder.ts';

/** The most downloaded images at once. Each has at most 16 MB in memory, and a larger one is in a file. */
const HELD = 8;

/**
 * Reads URLs and streams in this process. The encoder, which may be in another process, gets the bytes, or a temporary file for large
 * images. Facts about a member of an archive are not sent.
 *
 * @param connect makes the downloader at the first URL
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
    ...(encoder.recall && { recall: (options) => encoder.recall?.(options) ?? Promise.resolve(undefined) }),
    release: () => encoder.release(),
    async encode(source, options, onPhase) {
      if (source.kind === 'file') return encoder.encode(source, options, onPhase);
      const identity = identityOf(source);
      const encode = async (here: ImageSource) => ({ ...(await encoder.encode(here, options, onPhase)), ...identity });
      if (source.kind === 'bytes') return encode({ kind: 'bytes', name: source.name, bytes: source.bytes });
      return held(async () => {
        const { name } = source;
        try {
          const fetched = source.kind === 'url' ? await fetchImage(source.url) : spool(await source.read());
          if ('bytes' in fetched) return await encode({ kind: 'bytes', name, ...fetched });
          const { path, close } = fetched;
          return await encode({ kind: 'file', name, path }).finally(close);
        } catch (error) {
          if (error instanceof ImageError) return { ok: false, ...identity, error };
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
