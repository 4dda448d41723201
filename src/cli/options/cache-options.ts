import type { Command } from 'commander';
import type { LoadOptions } from '../../clip.ts';
import { messageOf, UsageError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';

/** What is cached on disk. */
export interface CacheOptions {
  readonly cache: boolean;
  readonly cacheImages?: boolean;
  readonly verbose?: boolean;
}

export function withCacheOptions(command: Command): Command {
  return command
    .option('--cache-images', 'also cache image embeddings; the next run with other labels is then much faster')
    .option('--no-cache', 'do not read or write cached embeddings; weights converted for --dtype stay cached');
}

/** The cache options of the library. If the cache cannot be written, the run continues without it. @throws UsageError */
export function cacheSettings(
  { cache, cacheImages = false, verbose = false }: CacheOptions,
  io: Pick<Io, 'stderr' | 'env'>,
): Pick<LoadOptions, 'cache' | 'cacheImages' | 'onCacheTrouble'> {
  if (cacheImages && !cache) throw new UsageError('--cache-images does not work with --no-cache', 'remove one of them');
  let told = !verbose;
  const onCacheTrouble = (error: unknown) => {
    if (!told) say(io, 'note', `nothing is cached: ${messageOf(error)}`);
    told = true;
  };
  return { cache, cacheImages, onCacheTrouble };
}
