import { pMapIterable } from 'p-map';
import type { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { ImageIdentity, ImageSource } from '../image/source.ts';
import type { Provider } from '../model/choices.ts';
import type { UnitRows } from '../tensor.ts';
import { Held } from './held.ts';
import type { PageOfImage } from './pages.ts';

/** An image as a point on CLIP's unit sphere; a bad image is a result, not an exception. */
export type Embedded =
  | (ImageIdentity & { readonly ok: true; readonly embedding: UnitRows })
  | (ImageIdentity & { readonly ok: false; readonly error: ImageError });

/** What happens to an image on its way; told so that a watchdog knows whom to blame. */
export type Stage = 'decoding' | 'prepared' | 'running';

/** Processes that encode images side by side, where they are not encoded in this one; each holds the weights. */
export const PROCESSES = 2;

/** Image → unit embedding [1, D]. In this process or in one of its own: whoever asks cannot tell. */
export interface ImageEncoder {
  /** What images run on; opens the image graph. */
  provider(): Promise<Provider>;
  /**
   * Images that are asked about while others are under way share a batch; none waits for a batch to fill up.
   *
   * @throws ClipError if the model cannot be opened or run
   */
  encode(source: ImageSource, options: DecodeOptions, onStage?: (stage: Stage) => void): Promise<Embedded>;
  release(): Promise<void>;
}

/** Images that are given as bytes, such as members of a tar: of those under way so many bytes are held, and one image more. */
const MAX_HELD_BYTES = 64_000_000;

/**
 * Every image's embedding, in order. At most `ahead` images are under way: memory does not grow with their number or size, and
 * a slow reader holds up the work.
 *
 * @param signal once it is aborted, its reason is thrown
 */
export function encodeAll(
  encoder: ImageEncoder,
  images: Iterable<ImageSource | PageOfImage> | AsyncIterable<ImageSource | PageOfImage>,
  options: DecodeOptions,
  ahead: number,
  signal?: AbortSignal,
): AsyncIterable<Embedded> {
  const held = new Held(MAX_HELD_BYTES);
  const encode = async (image: ImageSource | PageOfImage) => {
    signal?.throwIfAborted();
    const isPage = 'source' in image;
    const { source, page } = isPage ? image : { source: image, page: options.page ?? 1 };
    try {
      const result = await encoder.encode(source, { ...options, page });
      return isPage || page > 1 ? { ...result, page } : result;
    } finally {
      held.release(bytesOf(image));
    }
  };
  return pMapIterable(held.throttle(images, bytesOf), encode, { concurrency: ahead });
}

function bytesOf(image: ImageSource | PageOfImage): number {
  const source = 'source' in image ? image.source : image;
  return source.kind === 'bytes' ? source.bytes.length : 0;
}
