import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import { parseShardChoice, type ShardChoice, shardOfTask } from '../../inputs/array-job.ts';
import { type ImageOptions, nothingIn, sameFolder } from '../../inputs/images.ts';
import type { LeftOut } from '../../inputs/left-out.ts';
import type { Shard } from '../../inputs/shard.ts';
import { parseCarry } from '../../inputs/tar/carried.ts';
import type { Io } from '../io.ts';
import { collectOne, wholeNumber } from './values.ts';

/** How images are found, for every command that reads images. */
export interface WalkOptions {
  readonly hidden?: boolean;
  readonly exclude?: readonly string[];
  readonly follow?: boolean;
  readonly offline?: boolean;
}

/** The common options of the commands that accept any images. */
export interface InputOptions extends WalkOptions {
  readonly filesFrom?: string;
  readonly null?: boolean;
  readonly shard?: ShardChoice;
  readonly tar?: readonly string[];
  readonly carry?: readonly string[];
}

/** The options of {@link WalkOptions}. */
export function withWalkOptions(command: Command): Command {
  return command
    .option('--hidden', 'include hidden files and folders when a folder is searched')
    .option('--exclude <glob>', 'skip files and folders that match this pattern; repeatable', collectOne)
    .option('--follow', 'follow symbolic links when a folder is searched; no folder is entered twice')
    .option('--offline', 'do not use the network');
}

export function withInputOptions(command: Command): Command {
  return withWalkOptions(
    command
      .argument('[images...]', 'files, folders, quoted globs and URLs; "-" reads one image from standard input')
      .option('--files-from <file|->', 'read more paths or URLs from a file (- for standard input), one per line')
      .option('-0, --null', 'the paths of --files-from end with NUL, as find -print0 writes them')
      .option(
        '--shard <i/n>',
        'process part i of n only; a hash of each path decides its part. auto or auto/n: the part of this task of an array job (Slurm, Kubernetes, AWS Batch)',
        parseShardChoice,
      )
      .option('--per-host <n>', 'download at most this many images at once from one host, 1 to 8', wholeNumber(8), 8),
  );
}

/** The options of the commands that also read tars. */
export function withTarOptions(command: Command): Command {
  return command
    .option(
      '--tar <file|->',
      'also read the images in this tar, whatever its name (- for standard input); files named .tar, .tar.gz, .tgz or .tar.zst need no option; repeatable',
      collectOne,
    )
    .option(
      '--carry <extensions>',
      'add the texts of the same sample in a tar to each row, such as txt,json (jsonl, json or parquet output)',
      parseCarry,
    );
}

/** The chosen shard. A note says if it comes from a scheduler. */
export function chosenShard(
  { shard }: Pick<InputOptions, 'shard'>,
  io: Pick<Io, 'env'>,
  tell: (message: string) => unknown = () => {},
): Shard | undefined {
  if (shard === undefined || !('auto' in shard)) return shard;
  const { shard: chosen, told } = shardOfTask(io.env, shard.of);
  tell(`part ${chosen.part} of ${chosen.of} (${told})`);
  return chosen;
}

/**
 * Refuses options that name or choose images if the command reads something else.
 *
 * @throws UsageError
 */
export function refuseImages(args: readonly string[], options: InputOptions, instead: string): void {
  if (args.length > 0 || options.filesFrom !== undefined)
    throw new UsageError(`images and ${instead} are both given`, 'remove one of them');
  const idle =
    (['shard', 'tar', 'carry'] as const).find((name) => options[name] !== undefined) ??
    (options.null ? '0' : undefined);
  const flag = idle === '0' ? '-0' : `--${idle}`;
  if (idle !== undefined)
    throw new UsageError(`${flag} selects images, but ${instead} is given instead of images`, `remove ${flag}`);
}

/** Who is told about images that are skipped, and more. */
export interface InputReport {
  warn(message: string): unknown;
  /** Called with facts that are not warnings. */
  note(message: string): unknown;
  readonly leftOut: LeftOut;
  /** Whether the command reads tars. */
  readonly readsTars: boolean;
}

/**
 * @param signal aborted when no more images are wanted
 * @throws UsageError if -0 is given without --files-from
 */
export function imageOptions(options: InputOptions, io: Io, report: InputReport, signal: AbortSignal): ImageOptions {
  const { filesFrom, hidden, follow, exclude, tar, carry } = options;
  if (options.null && filesFrom === undefined)
    throw new UsageError('-0 needs --files-from', 'add --files-from <file>, or --files-from - for standard input');
  return {
    filesFrom,
    hidden,
    follow,
    exclude,
    shard: chosenShard(options, io, report.note),
    tars: report.readsTars ? (tar ?? []) : undefined,
    carry,
    onWarning: report.warn,
    signal,
    separator: options.null ? 'nul' : 'line',
    stdin: () => io.stdin(),
    leftOut: report.leftOut,
    onNothing: (argument) => report.warn(nothingIn(argument)),
    onLoop: (path, before) => report.warn(sameFolder(path, before)),
  };
}
