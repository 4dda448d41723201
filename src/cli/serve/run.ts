import { UsageError } from '../../errors.ts';
import { defaultModel } from '../../model/default-model.ts';
import { checkOrigins } from '../../server/cross-origin.ts';
import { readTokens } from '../../server/guard.ts';
import { listen } from '../../server/listen.ts';
import { createService } from '../../server/service.ts';
import { type Event, LIMITS, type ServiceSettings } from '../../server/settings.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { openModel } from '../open-model.ts';
import { classifierOptions, givenLabels, type LabelOptions, type ScoreOptions } from '../options/label-options.ts';
import { givenLearned } from '../options/learned-option.ts';
import { decodeOptions, type ModelOptions } from '../options/model-options.ts';

export interface ServeOptions extends LabelOptions, ScoreOptions, ModelOptions {
  readonly port: number;
  readonly host: string;
  readonly socket?: string;
  readonly idleExit?: number;
  readonly tokenFile?: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly allowUrls?: boolean;
  readonly quiet?: boolean;
  /** Whether an option stands on the command line. */
  readonly isGiven: (name: string) => boolean;
}

const OWN_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

/** Runs until a signal or `--idle-exit` ends it. @returns the exit code */
export async function runServe(options: ServeOptions, io: Io): Promise<number> {
  const { socket, host, port, idleExit, tokenFile, quiet = false } = options;
  if (socket === undefined && !OWN_HOSTS.has(host) && tokenFile === undefined)
    throw new UsageError(`--host ${host} lets other machines ask, and there is no token`, 'add --token-file <file>');
  const inherited = inheritedPlace(options, io);
  const settings = await settingsOf(options, io);
  // After a signal, requests in progress are still answered.
  const ownIo = { ...io, interruption: new AbortController().signal };
  const load = () => openModel(options, 'many', ownIo, { publicUrls: true, manyLabels: true });
  const clip = await unlessInterrupted(load(), io);
  let isStopping = false;
  const service = await unlessInterrupted(
    createService(clip, load, settings, () => isStopping),
    io,
  ).catch(async (error) => {
    await clip.release();
    throw error;
  });
  try {
    if (!quiet) for (const warning of service.defaults?.warnings ?? []) say(io, 'warning', warning);
    await unlessInterrupted(service.host.provider(), io); // the model is open before the first request comes
    const listening = await listen(service, inherited ?? (socket === undefined ? { host, port } : { socket }));
    io.endsItself?.();
    if (!quiet) io.stdout.write(`${clip.name} answers at ${listening.address}\n`);
    await Promise.race([ended(io.interruption), ...(idleExit === undefined ? [] : [listening.idle(idleExit)])]);
    isStopping = true;
    await listening.stop();
    return 0;
  } finally {
    await service.host.release();
  }
}

/** Sockets that systemd hands over begin after the standard streams. */
const FIRST_SOCKET = 3;

/** The socket that systemd has opened, if there is one. @throws UsageError if there are several, or options name another place */
function inheritedPlace({ isGiven }: ServeOptions, { inheritedSockets = 0 }: Io): { readonly fd: number } | undefined {
  if (inheritedSockets === 0) return undefined;
  if (inheritedSockets > 1)
    throw new UsageError(`${inheritedSockets} sockets are inherited`, 'give the service one ListenStream');
  const named = ['port', 'host', 'socket'].find(isGiven);
  if (named === undefined) return { fd: FIRST_SOCKET };
  throw new UsageError(`--${named} is given, and a socket is inherited`, `remove --${named}`);
}

async function settingsOf(options: ServeOptions, io: Io): Promise<ServiceSettings> {
  const { tokenFile, allowHost: hosts = [], allowOrigin = [], allowUrls: urls = false } = options;
  const { allPages, ...decode } = decodeOptions(options);
  if (allPages) throw new UsageError('--page all does not work with serve', 'give the number of a page');
  const labels = (await givenLearned(options)) ?? (await givenLabels(options));
  const hasLabels = !Array.isArray(labels) || labels.length > 0;
  return {
    limits: LIMITS,
    access: {
      hosts,
      origins: checkOrigins(allowOrigin),
      ...(tokenFile !== undefined && { tokens: await readTokens(tokenFile) }),
    },
    urls,
    decode,
    ...(hasLabels && { defaults: { labels, ...classifierOptions(options) } }),
    heatMaps: { model: options.model ?? defaultModel(io.env), threads: options.threads, env: io.env },
    log: (event) => log(event, options, io),
    onImage: (result) => io.report?.count(result),
  };
}

function log({ event, ...fields }: Event, { quiet = false }: ServeOptions, io: Io): void {
  if (io.log !== undefined) io.log.write(event, fields);
  else if ('message' in fields && !quiet) say(io, 'warning', `${event}: ${fields.message}`);
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
