import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pathOfAddress } from '../disk/address.ts';
import { answerOf } from '../disk/patience.ts';
import { UsageError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { excluding, expandGlob, isGlob, namesOf } from './glob.ts';
import { isImageName, pairedRaws } from './kinds.ts';
import type { LeftOut } from './left-out.ts';
import { openList, readList } from './list.ts';
import { openable, type Path, sourceOf } from './path.ts';
import { isInShard, type Shard } from './shard.ts';
import { inheritedImage, STDIN, stdinImage } from './stdin.ts';
import { isTarName, notRead } from './tar/address.ts';
import { tarImages } from './tar/images.ts';
import { type Walk, walk } from './walk.ts';

/** The sources of images besides the arguments, and which files are used. */
export interface ImageOptions extends Pick<Walk, 'hidden' | 'follow' | 'onLoop'> {
  /** Globs of files and folders that are skipped: of names, or of paths if there is a slash in the glob. */
  readonly exclude?: readonly string[] | undefined;
  /** Counts the files that are skipped. */
  readonly leftOut?: LeftOut | undefined;
  /** A file with more paths or URLs; `-` is standard input. */
  readonly filesFrom?: string | undefined;
  /** What separates the paths of the list. @default 'line' */
  readonly separator?: 'line' | 'nul';
  readonly shard?: Shard | undefined;
  /** Opens standard input, when it is read. */
  readonly stdin?: () => Readable;
  /** Aborted when no more images are needed. A list that is still open is then closed. */
  readonly signal?: AbortSignal;
  /** Called for an argument without images, if other arguments have some. */
  readonly onNothing?: ((argument: string) => unknown) | undefined;
  /** If tars are read: more tars, with any file name; `-` is standard input. @default tars are refused */
  readonly tars?: readonly Path[] | undefined;
  /** Extensions of members of a tar whose texts are added to the rows of the pictures. */
  readonly carry?: readonly string[] | undefined;
  /** Called with warnings about tars. */
  readonly onWarning?: ((message: string) => unknown) | undefined;
}

/**
 * The images of the arguments in their order: a file, the images of a folder and its subfolders in byte order, the matches of a glob that
 * is not the name of a file, the pictures of a tar (a pattern of tars that has only braces names each of them), a URL, or `-` for standard input. Then the images of the list, each as soon as it
 * arrives. A missing file is also returned, and becomes an error row.
 *
 * @throws UsageError if there is no image at all and no list (one may be empty), or if the list cannot be read
 */
export async function* imagePaths(args: readonly Path[], options: ImageOptions = {}): AsyncGenerator<ImageSource> {
  const { filesFrom, separator = 'line', shard, stdin, signal, tars, onNothing } = options;
  const forStdin = [...args, ...(tars ?? []), filesFrom].filter((one) => one === STDIN).length;
  if (forStdin > 1)
    throw new UsageError(
      'standard input is used twice',
      'use it for one image (-), one tar (--tar -) or a list (--files-from -)',
    );
  if (forStdin === 1 && stdin === undefined) throw new UsageError('there is no standard input', 'use files');
  const isOurs = (path: Path) => shard === undefined || isInShard(path, shard);
  // Opened first, so that a missing list is reported before any work.
  const list = filesFrom === undefined ? undefined : filesFrom === STDIN ? stdin?.() : await openList(filesFrom);
  signal?.addEventListener('abort', () => list?.destroy(), { once: true });
  let found = false;
  try {
    for (const arg of args) {
      let foundHere = false;
      for await (const path of await expand(arg, options)) {
        if (tars === undefined && isTarName(path)) throw noTars(path);
        if (!isOurs(path)) found = foundHere = true;
        else if (arg !== STDIN && !isTarName(path)) {
          found = foundHere = true;
          yield fileAt(path);
        } else {
          foundHere = true; // a tar without pictures has its own warning
          for await (const image of imagesAt(path, arg, options)) {
            found = true;
            yield image;
          }
        }
      }
      if (!foundHere && (args.length > 1 || list !== undefined)) onNothing?.(arg);
    }
    for (const tar of tars ?? []) {
      if (!isOurs(tar)) found = true;
      else
        for await (const image of tarImages(tar, options)) {
          found = true;
          yield image;
        }
    }
    if (list === undefined && !found) throw noImage(args, options.leftOut?.summary());
    if (list === undefined || signal?.aborted) return;
    const name = filesFrom === STDIN ? 'on standard input' : `${filesFrom}`;
    for await (const path of readList(list, separator, name, signal)) {
      if (!isOurs(path)) continue;
      if (tars !== undefined && isTarName(path)) yield* tarImages(path, options);
      else yield sourceOf(path);
    }
  } finally {
    list?.destroy();
  }
}

/** The images of a path that comes from an argument. */
async function* imagesAt(path: Path, arg: Path, options: ImageOptions): AsyncGenerator<ImageSource> {
  if (arg === STDIN && options.stdin !== undefined) yield stdinImage(options.stdin);
  else if (isTarName(path)) yield* tarImages(path, options);
  else yield fileAt(path);
}

function fileAt(path: Path): ImageSource {
  return inheritedImage(path) ?? sourceOf(path);
}

function noTars(path: Path): UsageError {
  return new UsageError(
    `${sourceOf(path).name} is a tar, and this command does not read tars`,
    'unpack it, or use classify or embed',
  );
}

/**
 * The tars of the arguments, of `tars` and of the list. None is opened.
 *
 * @throws UsageError if one of them is something else
 */
export async function* namedTars(args: readonly Path[], options: ImageOptions): AsyncGenerator<Path> {
  const { filesFrom, separator = 'line', stdin, signal, tars = [] } = options;
  let found = false;
  const requireTar = (path: Path) => {
    if (!isTarName(path))
      throw new UsageError(
        `${sourceOf(path).name} is not a tar: --output-dir writes a file for each tar`,
        'use tars alone, or add --rows-per-file for images',
      );
    const why = notRead(path);
    if (why !== undefined) throw new UsageError(why.fact, why.nextStep);
    found = true;
    return path;
  };
  for (const arg of args) for await (const path of await expand(arg, options)) yield requireTar(path);
  for (const tar of tars) {
    found = true;
    yield tar;
  }
  if (filesFrom !== undefined) {
    const list = filesFrom === STDIN ? stdin?.() : await openList(filesFrom);
    if (list !== undefined)
      for await (const path of readList(list, separator, filesFrom, signal)) yield requireTar(path);
  } else if (!found) throw noImage(args, options.leftOut?.summary());
}

/** The paths that an argument stands for: a file, the pictures of a folder, or the matches of a glob. */
async function expand(arg: Path, options: ImageOptions): Promise<AsyncIterable<Path> | readonly Path[]> {
  const { hidden, follow, onLoop, exclude = [], leftOut } = options;
  if (arg === STDIN || (sourceOf(arg).kind === 'url' && !isTarName(arg))) return [arg];
  const path = pathOfAddress(arg);
  const info = await answerOf(stat(openable(path)).catch(() => undefined)); // a file that does not answer gets its error row
  if (info?.isDirectory())
    return walk(path, {
      hidden,
      follow,
      onLoop,
      excludes: excluding(exclude, path),
      takes: isImageName,
      spare: pairedRaws,
      onSkipped: (path, reason) => leftOut?.add(path, reason),
    });
  if (info !== undefined || !isGlob(arg)) return [arg];
  const tars = isTarName(arg) ? namesOf(arg) : undefined; // a shard that is missing must not go unnoticed
  if (tars !== undefined) return tars;
  if (notRead(arg) !== undefined) return [arg];
  return expandGlob(arg, { hidden, follow, onLoop, excludes: excluding(exclude, '') });
}

/** Why a folder is skipped that was searched under another path. */
export function sameFolder(path: Path, before: Path): string {
  return `skipped ${path}: it is the same folder as ${before || '.'}`;
}

/** Why an argument has no images. */
export function nothingIn(arg: Path): string {
  return isGlob(arg) ? `the pattern ${arg} matches no file` : `${arg} contains no images`;
}

function noImage(args: readonly Path[], leftOut: string | undefined): UsageError {
  const [only = ''] = args;
  const fact =
    args.length === 0 ? 'no images' : args.length === 1 ? nothingIn(only) : `no images found in ${args.join(', ')}`;
  return new UsageError(
    leftOut === undefined ? fact : `${fact}; ${leftOut}`,
    'give image files, folders with jpg, png, webp, gif, tiff or avif files, quoted globs or URLs',
  );
}
