import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import { type ImageOptions, nothingIn } from '../../inputs/images.ts';
import type { LeftOut } from '../../inputs/left-out.ts';
import { parseShard, type Shard } from '../../inputs/shard.ts';
import type { Io } from '../io.ts';
import { collectOne } from './values.ts';

/** How images are found, by every command that reads some. */
export interface WalkOptions {
  readonly hidden?: boolean;
  readonly exclude?: readonly string[];
  readonly follow?: boolean;
  readonly offline?: boolean;
}

/** What the commands that take any images have in common. */
export interface InputOptions extends WalkOptions {
  readonly filesFrom?: string;
  readonly null?: boolean;
  readonly shard?: Shard;
}

/** The options of {@link WalkOptions}. */
export function withWalkOptions(command: Command): Command {
  return command
    .option('--hidden', 'include hidden files and folders when a folder is searched')
    .option('--exclude <glob>', 'leave out files and folders that match; repeatable', collectOne)
    .option('--follow', 'follow symbolic links when a folder is searched; no folder is entered twice')
    .option('--offline', 'do not use the network');
}

export function withInputOptions(command: Command): Command {
  return withWalkOptions(
    command
      .argument('[images...]', 'files, folders, quoted globs and URLs; "-" reads one image from standard input')
      .option('--files-from <file|->', 'read more paths or URLs from a file (- for standard input), one per line')
      .option('-0, --null', 'the paths of --files-from end with NUL, as find -print0 writes them')
      .option('--shard <i/n>', 'process part i of n only; a hash of each path decides its part', parseShard),
  );
}

/**
 * Refuses what names or chooses images where something else is read.
 *
 * @throws UsageError
 */
export function refuseImages(args: readonly string[], options: InputOptions, instead: string): void {
  if (args.length > 0 || options.filesFrom !== undefined)
    throw new UsageError(`images and ${instead} are both given`, 'remove one of them');
  const idle = options.shard !== undefined ? '--shard' : options.null ? '-0' : undefined;
  if (idle !== undefined)
    throw new UsageError(`${idle} selects images, but ${instead} is given instead of images`, `remove ${idle}`);
}

/** What to say on the way. */
export interface InputReport {
  warn(message: string): unknown;
  readonly leftOut: LeftOut;
}

/**
 * @param signal aborted when no more images are wanted
 * @throws UsageError if -0 stands alone
 */
export function imageOptions(options: InputOptions, io: Io, report: InputReport, signal: AbortSignal): ImageOptions {
  const { filesFrom, hidden, follow, exclude, shard } = options;
  if (options.null && filesFrom === undefined)
    throw new UsageError('-0 needs --files-from', 'add --files-from <file>, or --files-from - for standard input');
  return {
    filesFrom,
    hidden,
    follow,
    exclude,
    shard,
    signal,
    separator: options.null ? 'nul' : 'line',
    stdin: () => io.stdin(),
    leftOut: report.leftOut,
    onNothing: (argument) => report.warn(nothingIn(argument)),
    onLoop: (path, before) => report.warn(`skipped ${path}: it is the same folder as ${before || '.'}`),
  };
}
