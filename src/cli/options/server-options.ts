import type { Command } from 'commander';
import { OfflineError, UsageError } from '../../errors.ts';
import { parseServerAddress, type ServerAddress } from '../../remote/address.ts';
import type { Io } from '../io.ts';

/** Which service does the work. */
export interface ServerOptions {
  readonly server?: string;
  readonly serverTokenFile?: string;
  readonly offline?: boolean;
  /** Whether an option stands on the command line. */
  readonly isGiven: (name: string) => boolean;
}

/** What a service decides when it is started, or cannot do, and what to do instead. */
const OWN_PROCESS: Readonly<Record<string, readonly [flag: string, instead: string]>> = {
  from: ['--from', 'it ranks stored embeddings'],
  explain: ['--explain', 'it needs the model in this process'],
  cacheImages: ['--cache-images', 'use it with serve'],
  cache: ['--no-cache', 'use it with serve'],
  batch: ['--batch', 'use it with serve'],
  timeout: ['--timeout', 'use it with serve'],
  threads: ['--threads', 'use it with serve'],
  provider: ['--provider', 'use it with serve'],
  device: ['--device', 'use it with serve'],
  logitScale: ['--logit-scale', 'use it with serve'],
  logitBias: ['--logit-bias', 'use it with serve'],
  maxPixels: ['--max-pixels', 'use it with serve'],
  allowSvg: ['--allow-svg', 'use it with serve'],
};

/** The options of {@link ServerOptions}. */
export function withServerOptions(command: Command): Command {
  return command
    .optionsGroup('Server:')
    .option(
      '--server <address>',
      'let a running "serve" classify: unix:/path, http://host:port or https://host (default: $CLIP_CLASSIFY_SERVER)',
    )
    .option('--server-token-file <file>', 'file with the token of that server, in its first line');
}

/**
 * The service that is meant.
 *
 * @returns undefined if this process does the work
 * @throws UsageError for an option that a service cannot do; OfflineError if it is on another machine
 */
export function chosenServer(options: ServerOptions, { env }: Pick<Io, 'env'>): ServerAddress | undefined {
  const { server = env['CLIP_CLASSIFY_SERVER'], serverTokenFile, offline = false, isGiven } = options;
  if (server === undefined || server === '') {
    if (serverTokenFile === undefined) return undefined;
    throw new UsageError('--server-token-file needs --server', 'add --server <address>, or remove it');
  }
  const origin = options.server === undefined ? 'unset CLIP_CLASSIFY_SERVER' : 'remove --server';
  const refused = Object.entries(OWN_PROCESS).find(([name]) => isGiven(name));
  if (refused !== undefined) {
    const [, [flag, why]] = refused;
    throw new UsageError(`${flag} does not work with a server: ${why}`, `remove ${flag}, or ${origin}`);
  }
  const address = parseServerAddress(server);
  if (offline && !address.isLocal)
    throw new OfflineError(`the server at ${address.name} is on another machine`, `remove --offline, or ${origin}`);
  return address;
}
