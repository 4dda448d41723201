import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { ImageOptions } from '../../inputs/images.ts';
import { parseShard, type Shard } from '../../inputs/shard.ts';
import type { Io } from '../io.ts';

/** How images are found, by every command that reads some. */
export interface WalkOptions {
  readonly hidden?: boolean;
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
    .option('--hidden', 'also walk hidden files and folders')
    .option('--follow', 'also walk symbolic links; no folder is entered twice')
    .option('--offline', 'open no connection');
}

export function withInputOptions(command: Command): Command {
  return withWalkOptions(
    command
      .argument('[images...]', 'files, folders, quoted globs and URLs; "-" is one image on standard input')
      .option('--files-from <file|->', 'more paths or URLs, one a line')
      .option('-0, --null', 'those paths are separated by NUL, as by find -print0')
      .option('--shard <i/n>', 'only the images whose path hashes to part i of n', parseShard),
  );
}

/**
 * Refuses what names or chooses images where something else is read.
 *
 * @throws UsageError
 */
export function refuseImages(args: readonly string[], options: InputOptions, instead: string): void {
  if (args.length > 0 || options.filesFrom !== undefined)
    throw new UsageError(`both images and ${instead} are given`, 'leave one out');
  const idle = options.shard !== undefined ? '--shard' : options.null ? '-0' : undefined;
  if (idle !== undefined) throw new UsageError(`${idle} chooses images, and ${instead} are given`, 'leave one out');
}

/** What to say on the way. */
export interface InputReport {
  warn(message: string): unknown;
  onPassedOver(): unknown;
}

/**
 * @param signal aborted when no more images are wanted
 * @throws UsageError if -0 stands alone
 */
export function imageOptions(options: InputOptions, io: Io, report: InputReport, signal: AbortSignal): ImageOptions {
  const { filesFrom, hidden, follow, shard } = options;
  if (options.null && filesFrom === undefined)
    throw new UsageError('-0 is given without a list', 'say --files-from <file>, or - for standard input');
  return {
    filesFrom,
    hidden,
    follow,
    shard,
    signal,
    separator: options.null ? 'nul' : 'line',
    stdin: () => io.stdin(),
    onPassedOver: () => report.onPassedOver(),
    onNothing: (argument) => report.warn(`no image in ${argument}`),
    onLoop: (path, before) => report.warn(`${path} is not entered: it is the same folder as ${before || '.'}`),
  };
}
