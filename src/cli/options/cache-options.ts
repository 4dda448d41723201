import type { Command } from 'commander';
import type { LoadOptions } from '../../clip.ts';
import { messageOf, UsageError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';

/** What is kept on disk for the next time. */
export interface CacheOptions {
  readonly cache: boolean;
  readonly cacheImages?: boolean;
  readonly verbose?: boolean;
}

export function withCacheOptions(command: Command): Command {
  return command
    .option('--cache-images', 'keep the embeddings of images, so that new labels over them cost next to nothing')
    .option('--no-cache', 'neither read nor write the cache of embeddings; weights converted by --dtype are kept');
}

/** The same for the library. A cache that cannot be written costs time, not the run. @throws UsageError */
export function cacheSettings(
  { cache, cacheImages = false, verbose = false }: CacheOptions,
  io: Pick<Io, 'stderr' | 'env'>,
): Pick<LoadOptions, 'cache' | 'cacheImages' | 'onCacheTrouble'> {
  if (cacheImages && !cache) throw new UsageError('--cache-images and --no-cache exclude each other', 'leave one out');
  let told = !verbose;
  const onCacheTrouble = (error: unknown) => {
    if (!told) say(io, 'note', `nothing is kept: ${messageOf(error)}`);
    told = true;
  };
  return { cache, cacheImages, onCacheTrouble };
}
