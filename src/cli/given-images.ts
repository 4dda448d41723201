import type { ImageSource } from '../image/source.ts';
import { LeftOut } from '../inputs/left-out.ts';
import type { Path } from '../inputs/path.ts';
import { isTarName } from '../inputs/tar/address.ts';
import { countImages, exactPaths, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted } from './io.ts';
import { say } from './messages.ts';
import { type InputOptions, imageOptions } from './options/input-options.ts';

/** How many images there may be: worker processes pay off for a few, and graphs that open slower and run faster for many. */
export type Amount = 'one' | 'few' | 'many';

/** A graph in its fastest form takes longer to open. It pays off after about 30 images with int8, 100 with fp32. */
const FEW = 32;

/** The images of a command line. */
export interface GivenImages {
  /** The arguments with their exact bytes. */
  readonly args: readonly Path[];
  /** Folders are searched as images are asked for. */
  readonly images: AsyncGenerator<ImageSource>;
  readonly amount: Amount;
  /** The number of images; undefined if it cannot be known. */
  count(): Promise<number | undefined>;
  /** The files skipped so far. */
  readonly leftOut: LeftOut;
  /** Ends the search: no more images are needed. */
  stop(): void;
}

/**
 * Finds the first images, to know whether there are few. The others are found when they are asked for.
 *
 * @throws UsageError if there is no image
 */
export async function givenImages(
  given: readonly string[],
  options: InputOptions & { readonly quiet?: boolean },
  io: Io,
  warn: (message: string) => unknown,
  { readsTars = false } = {},
): Promise<GivenImages> {
  const { args, inputs, leftOut, stop } = await givenInputs(given, options, io, warn, readsTars);
  // A list or a stream may be slow: the first image must not wait for the second.
  const listed = options.filesFrom !== undefined || options.tar !== undefined || args.some(isTarName);
  const { first, all: images } = await unlessInterrupted(peek(imagePaths(args, inputs), listed ? 1 : FEW + 1), io);
  return {
    args,
    images,
    amount: listed || first.length > FEW ? 'many' : first.length > 1 ? 'few' : 'one',
    count: () => countImages(args, inputs),
    leftOut,
    stop,
  };
}

/** The arguments, and how images are searched for and read. */
export async function givenInputs(
  given: readonly string[],
  options: InputOptions & { readonly quiet?: boolean },
  io: Io,
  warn: (message: string) => unknown,
  readsTars: boolean,
) {
  const args = await exactPaths(given);
  const enough = new AbortController();
  const leftOut = new LeftOut();
  const note = (message: string) => {
    if (!options.quiet) say(io, 'note', message);
  };
  const inputs = imageOptions(options, io, { warn, note, leftOut, readsTars }, enough.signal);
  return { args, inputs, leftOut, stop: () => enough.abort() };
}
