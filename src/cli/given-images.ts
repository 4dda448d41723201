import type { ImageSource } from '../image/source.ts';
import { LeftOut } from '../inputs/left-out.ts';
import type { Path } from '../inputs/path.ts';
import { isTarName } from '../inputs/tar/images.ts';
import { countImages, exactPaths, imagePaths, peek } from './inputs.ts';
import { type Io, unlessInterrupted } from './io.ts';
import { say } from './messages.ts';
import { type InputOptions, imageOptions } from './options/input-options.ts';

/** How many images there may be: several are worth processes of their own, many are worth slower starts of faster graphs. */
export type Amount = 'one' | 'few' | 'many';

/** Opening a graph in its fastest form costs what it saves over some thirty images with int8, a hundred with fp32. */
const FEW = 32;

/** The images that a command line names. */
export interface GivenImages {
  /** The arguments, byte for byte. */
  readonly args: readonly Path[];
  /** Walked as they are pulled. */
  readonly images: AsyncGenerator<ImageSource>;
  readonly amount: Amount;
  /** How many there are, where that can be known. */
  count(): Promise<number | undefined>;
  /** What walks have left out so far. */
  readonly leftOut: LeftOut;
  /** No more images are wanted. */
  stop(): void;
}

/**
 * Looks for the first images, so as to know whether they are few; the others are found when they are pulled.
 *
 * @throws UsageError if there is none
 */
export async function givenImages(
  given: readonly string[],
  options: InputOptions & { readonly quiet?: boolean },
  io: Io,
  warn: (message: string) => unknown,
  { readsTars = false } = {},
): Promise<GivenImages> {
  const { args, inputs, leftOut, stop } = await givenInputs(given, options, io, warn, readsTars);
  // A list or a stream may come slowly: its first image is not kept waiting for the second.
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
