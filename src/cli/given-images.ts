import type { ImageSource } from '../image/source.ts';
import type { Path } from '../inputs/path.ts';
import { type InputOptions, imageOptions } from './input-options.ts';
import { countImages, exactPaths, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted } from './io.ts';

/** The images that a command line names. */
export interface GivenImages {
  /** The arguments, byte for byte. */
  readonly args: readonly Path[];
  /** Walked as they are pulled. */
  readonly images: AsyncGenerator<ImageSource>;
  /** Whether there may be more than one: then they are worth a process of their own. */
  readonly several: boolean;
  /** How many there are, where that can be known. */
  count(): Promise<number | undefined>;
  /** Files so far that are no images by their names, or links or devices. */
  passedOver(): number;
  /** No more images are wanted. */
  stop(): void;
}

/**
 * Looks for the first two images; the others are found when they are pulled.
 *
 * @throws UsageError if there is none
 */
export async function givenImages(
  given: readonly string[],
  options: InputOptions,
  io: Io,
  warn: (message: string) => unknown,
): Promise<GivenImages> {
  const args = await exactPaths(given);
  const enough = new AbortController();
  let passedOver = 0;
  const inputs = imageOptions(options, io, { warn, onPassedOver: () => passedOver++ }, enough.signal);
  // A list may come slowly: its first image is not kept waiting for the second.
  const listed = options.filesFrom !== undefined;
  const { first, all: images } = await unlessInterrupted(peek(imagePaths(args, inputs), listed ? 1 : 2), io);
  return {
    args,
    images,
    several: listed || first.length > 1,
    count: () => countImages(args, inputs),
    passedOver: () => passedOver,
    stop: () => enough.abort(),
  };
}
