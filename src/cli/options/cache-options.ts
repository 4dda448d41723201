import type { Command } from 'commander';
import type { LoadOptions } from '../../clip.ts';
import { weightsLimit } from '../../disk/cache-limit.ts';
import { cacheFolder } from '../../disk/environment.ts';
import { ownedByOther } from '../../disk/owner.ts';
import { messageOf, UsageError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';

/** What is cached on disk. */
export interface CacheOptions {
  readonly cache: boolean;
  readonly cacheImages?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export function withCacheOptions(command: Command): Command {
  return command
    .option('--cache-images', 'also cache image embeddings; the next run with other labels is then much faster')
    .option('--no-cache', 'do not read or write cached embeddings; weights converted for --dtype stay cached');
}

const MAKE_OWN = 'make it yours with chown -R, or set CLIP_CLASSIFY_CACHE to a folder of your own';

/** The cache options of the library. If the cache cannot be written, the run continues without it. @throws UsageError */
export function cacheSettings(
  { cache, cacheImages = false, quiet = false, verbose = false }: CacheOptions,
  io: Pick<Io, 'stderr' | 'env'>,
): Pick<LoadOptions, 'cache' | 'cacheImages' | 'onCacheTrouble'> {
  if (cacheImages && !cache) throw new UsageError('--cache-images does not work with --no-cache', 'remove one of them');
  weightsLimit(io.env); // a mistake in the variable is an error before any work
  let told = quiet;
  const onCacheTrouble = (error: unknown) => {
    if (told) return;
    const others = ownedByOther(error, cacheFolder(io.env));
    if (others !== undefined)
      say(io, 'warning', `${others} belongs to another user, so nothing is cached; ${MAKE_OWN}`);
    else if (verbose) say(io, 'note', `nothing is cached: ${messageOf(error)}`);
    told = true;
  };
  return { cache, cacheImages, onCacheTrouble };
}
