import { setImmediate as turn } from 'node:timers/promises';
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

/** The steps of an image. The watchdog needs them to know which image is the cause of a timeout. */
export type Phase = 'decoding' | 'prepared' | 'running';

/** The number of worker processes. Each has its own copy of the weights. */
export const PROCESSES = 2;

/** Image → unit embedding [1, D]. The same interface for encoders in this process and in worker processes. */
export interface ImageEncoder {
  /** The provider that runs the image graph. Opens the graph. */
  provider(): Promise<Provider>;
  /**
   * Images that are requested while others are in progress share a batch. No image waits until a batch is full.
   *
   * @throws ClipError if the model cannot be opened or run
   */
  encode(source: ImageSource, options: DecodeOptions, onPhase?: (phase: Phase) => void): Promise<Embedded>;
  /** Returns a function that finds embeddings that are already known. Absent if nothing is cached. */
  recall?(options: DecodeOptions): Promise<Recall | undefined>;
  release(): Promise<void>;
}

/** Returns the embedding of an image at once if it is known; undefined if it is not known, or if the search would take long. */
export type Recall = (source: ImageSource) => Embedded | undefined;

/** The most bytes in memory of images that are given as bytes, such as members of a tar. One more image may be held. */
const MAX_HELD_BYTES = 64_000_000;

/**
 * The embedding of every image, in order. At most `ahead` images are in progress, so memory does not grow with their number or size,
 * and a slow reader slows down the work. Known images come at once.
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
  const throttled = held.throttle(images, bytesOf);
  if (encoder.recall === undefined || (options.page ?? 1) > 1)
    return pMapIterable(throttled, encode, { concurrency: ahead });
  return encodeUnknown(throttled, () => encoder.recall?.({ ...options, page: 1 }), encode, ahead, signal);
}

/** Images wait in a queue only from the first on that is not known. */
async function* encodeUnknown<Image extends ImageSource | PageOfImage>(
  images: AsyncGenerator<Image>,
  open: () => Promise<Recall | undefined> | undefined,
  encode: (image: Image) => Promise<Embedded>,
  ahead: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Embedded> {
  try {
    const recall = await open();
    const breath = createBreath();
    const known = (image: Image) => {
      signal?.throwIfAborted();
      return 'source' in image ? undefined : recall?.(image);
    };
    for (;;) {
      const next = await images.next();
      if (next.done) return;
      const found = known(next.value);
      if (found === undefined) {
        const rest = withFirst(next.value, images);
        const find = async (image: Image) => {
          await breath();
          return known(image) ?? encode(image);
        };
        yield* pMapIterable(rest, find, { concurrency: ahead });
        return;
      }
      yield found;
      await breath();
    }
  } finally {
    await images.return(undefined);
  }
}

async function* withFirst<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

function bytesOf(image: ImageSource | PageOfImage): number {
  const source = 'source' in image ? image.source : image;
  return source.kind === 'bytes' ? source.bytes.length : 0;
}

/** The longest that signals, timers and messages wait, in milliseconds. */
const BREATH_MS = 50;

/** Called between the steps of long work in this thread, so that signals, timers and messages are handled. */
export function createBreath(): () => Promise<void> | undefined {
  let last = performance.now();
  const breathe = async () => {
    await turn();
    last = performance.now();
  };
  return () => (performance.now() - last < BREATH_MS ? undefined : breathe());
}
