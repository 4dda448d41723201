import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { setTimeout as setTimer } from 'node:timers';
import { setTimeout } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Response } from 'undici';
import { ImageError, messageOf } from '../errors.ts';
import { type Network, networksOf } from '../network/address.ts';
import { openConnections, type Send } from '../network/connection.ts';
import type { NetworkSettings } from '../network/settings.ts';
import { REDIRECTS, redirectTarget, withoutCredentials } from '../network/url.ts';
import { checkSize, MAX_FILE_BYTES } from './file.ts';
import { waitBefore } from './retry.ts';
import { type Collector, inMemory } from './spool.ts';

/** Downloads the bytes of an image. @throws ImageError E_URL or E_FILE_SIZE */
export type FetchImage = (url: string) => Promise<Uint8Array>;

/** Time limits of a download, in milliseconds. */
export interface DownloadLimits {
  /** Without any progress. */
  readonly stallMs: number;
  /** For the whole download. */
  readonly totalMs: number;
}

const LIMITS: DownloadLimits = { stallMs: 10_000, totalMs: 60_000 };
const MAX_REDIRECTS = 5;
const TICK_MS = 1_000;
const PUBLIC: readonly Network[] = ['public'];

/**
 * Downloads images by their URLs, one request each. Only http and https are allowed, and at most {@link MAX_FILE_BYTES} after
 * decompression.
 *
 * @param settings called at the first URL
 */
export function imageFetcher(
  settings: () => NetworkSettings,
  limits: DownloadLimits = LIMITS,
  perHost?: number,
): FetchImage {
  return fetcherInto(inMemory, settings, limits, false, perHost);
}

/**
 * Downloads images like {@link imageFetcher}. `collect` makes the collector for the bytes of each image.
 *
 * @param publicOnly whether the URL itself must be public too
 * @param perHost the most downloads at once from the host that a URL names
 */
export function fetcherInto<T>(
  collect: () => Collector<T>,
  settings: () => NetworkSettings,
  limits: DownloadLimits = LIMITS,
  publicOnly = false,
  perHost = Number.POSITIVE_INFINITY,
): (url: string) => Promise<T> {
  let connections: Promise<Send> | undefined;
  const queues = new Map<string, LimitFunction>();
  const oneOf = (host: string): LimitFunction => {
    const queue = queues.get(host) ?? pLimit(perHost);
    queues.set(host, queue);
    return queue;
  };
  return async (given) => {
    const name = withoutCredentials(given);
    const network = settings();
    if (network.offline)
      throw badUrl(name, 'needs the network', 'remove `offline` and HF_HUB_OFFLINE, or download the image first');
    if (!URL.canParse(given)) throw badUrl(name, 'is not a valid URL', 'check the URL');
    connections ??= openConnections(network);
    const send = await connections;
    const download = async (signal: AbortSignal, progress: () => void) => {
      const response = await follow(send, name, new URL(given), publicOnly, signal, progress);
      try {
        return await receive(name, response, collect(), progress);
      } catch (error) {
        await response.body?.cancel().catch(() => {});
        throw error;
      }
    };
    return oneOf(new URL(given).host)(() => inTime(name, limits, download));
  };
}

/** The answer after all redirects. Redirects may lead to http and https only, and not from a public host into another network. */
async function follow(
  send: Send,
  name: string,
  first: URL,
  publicOnly: boolean,
  signal: AbortSignal,
  progress: () => void,
) {
  const { username, password, origin } = first;
  const login = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64');
  first.username = first.password = ''; // a header for the first origin only
  let url = first;
  // Each connection is checked by its address, so that a name whose address changes in between does not help an attacker.
  const own = await networksOf(first);
  if (publicOnly) requirePublic(name, own);
  const allowed: ReadonlySet<Network> = new Set([...own, ...(own.size === 0 ? PUBLIC : [])]);
  // A public host cannot widen this by another address of its own.
  const redirected: ReadonlySet<Network> = new Set([...PUBLIC, ...(own.has('public') ? [] : own)]);
  let tries = 0;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await send(
      url,
      {
        headers: {
          'user-agent': await userAgent(),
          accept: 'image/*,*/*;q=0.1',
          'accept-encoding': 'identity',
          ...((username || password) && url.origin === origin && { authorization: `Basic ${login}` }),
        },
        signal,
      },
      hops === 0 ? allowed : redirected,
    ).catch((error: unknown) => {
      throw signal.aborted ? error : badUrl(name, `cannot be reached: ${lowest(error)}`, 'check the address', error);
    });
    progress();
    if (response.ok) return response;
    await response.body?.cancel();
    const wait = waitBefore(response.status, response.headers.get('retry-after'), ++tries);
    if (wait !== undefined) {
      for (let left = wait; left > 0; left -= TICK_MS) {
        await setTimeout(Math.min(left, TICK_MS), undefined, { signal });
        progress(); // the server has announced the wait
      }
      hops--;
      continue;
    }
    if (!REDIRECTS.has(response.status))
      throw badUrl(name, `is answered with the status ${response.status}`, 'check the address');
    url = checkedTarget(name, url, response.headers.get('location'));
    for (const network of await networksOf(url))
      if (!redirected.has(network))
        throw badUrl(name, `is redirected into a ${network} network, to ${url.host}`, 'check the URL');
  }
  throw badUrl(name, `is redirected more than ${MAX_REDIRECTS} times`, 'check the address');
}

/** A name or password of a URL. A percent sign that begins no code stands for itself, as in browsers. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/giu, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());
}

function requirePublic(name: string, networks: ReadonlySet<Network>): void {
  for (const network of networks)
    if (network !== 'public') throw badUrl(name, `leads into a ${network} network`, 'use a public address');
}

function checkedTarget(name: string, from: URL, raw: string | null): URL {
  // Headers have one character per byte. Browsers and curl read them as UTF-8.
  const bytes = Buffer.from(raw ?? '', 'latin1');
  const location = raw !== null && isUtf8(bytes) ? bytes.toString() : raw;
  const to = redirectTarget(from, location);
  if (to instanceof URL) return to;
  throw badUrl(
    name,
    `is redirected to ${JSON.stringify(withoutCredentials(location ?? '').slice(0, 200))}: ${to}`,
    'check the URL',
  );
}

/** Refuses a Content-Length that is too large, and counts the decompressed bytes. */
async function receive<T>(
  name: string,
  { body, headers }: Response,
  collector: Collector<T>,
  progress: () => void,
): Promise<T> {
  const promised = Number(headers.get('content-length') ?? 1);
  if (promised > MAX_FILE_BYTES) checkSize(name, promised);
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      progress();
      size += chunk.length;
      if (size > MAX_FILE_BYTES) checkSize(name, size);
      collector.add(chunk);
    }
    return collector.end();
  } catch (error) {
    collector.discard();
    throw error;
  }
}

/** Aborts work that makes no progress or takes too long. */
async function inTime<T>(
  name: string,
  { stallMs, totalMs }: DownloadLimits,
  work: (signal: AbortSignal, progress: () => void) => Promise<T>,
): Promise<T> {
  const cut = new AbortController();
  const giveUp = (fact: string) => cut.abort(badUrl(name, fact, 'try again, or download the image first'));
  const stall = setTimer(() => giveUp(`sends no data for ${stallMs / 1000} s`), stallMs);
  const total = setTimer(() => giveUp(`takes longer than ${totalMs / 1000} s`), totalMs);
  try {
    return await work(cut.signal, () => stall.refresh());
  } catch (error) {
    if (cut.signal.aborted) throw cut.signal.reason;
    throw error instanceof ImageError ? error : badUrl(name, `ended too early: ${lowest(error)}`, 'try again', error);
  } finally {
    clearTimeout(stall);
    clearTimeout(total);
  }
}

let agent: Promise<string> | undefined;

/** Name, version and address of this tool, because image hosts refuse programs without them. */
function userAgent(): Promise<string> {
  agent ??= readFile(new URL('../../package.json', import.meta.url), 'utf8').then((text) => {
    const { version } = JSON.parse(text) as { version: string };
    return `clip-classify/${version} (+https://www.npmjs.com/package/clip-classify)`;
  });
  return agent;
}

function badUrl(name: string, fact: string, nextStep: string, cause?: unknown): ImageError {
  return new ImageError('E_URL', `${name} ${fact}`, nextStep, cause);
}

/** The reason of a failed fetch. undici's message is only "fetch failed"; the reason is in its cause. */
function lowest(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return messageOf(cause) || code;
}
