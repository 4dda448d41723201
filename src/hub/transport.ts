import { type ClipError, HubError, messageOf, OfflineError } from '../errors.ts';
import type { HubSettings } from '../network/settings.ts';
import { type Patience, Transient } from './retry.ts';
import { statusError } from './status.ts';

/** An answer of the hub or of the server it sent us to. */
export interface Answer {
  readonly response: Response;
  /** Of the hub's own answer, before any redirect: they tell the commit and the digest of a file. */
  readonly hubHeaders: Headers;
}

export interface Request {
  readonly url: URL;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** What is asked for, for messages. */
  readonly what: string;
}

/** The one door to the network. */
export interface HubConnection {
  readonly settings: HubSettings;
  readonly patience: Patience;
  /** @returns a success (2xx) or 416; @throws ClipError or Transient */
  send(request: Request): Promise<Answer>;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 4;
/** Failures of a connection that no second try mends at once. */
const LASTING = /^(ENOTFOUND|ECONNREFUSED|CERT_|ERR_TLS_|SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO)/u;

/** @throws UsageError if a proxy variable holds no URL */
export async function connectHub(settings: HubSettings, patience: Patience): Promise<HubConnection> {
  const { endpoint, token, offline } = settings;
  const fetchOnce = await proxied(settings);
  const origin = new URL(endpoint).origin;
  return {
    settings,
    patience,
    async send({ url: start, method = 'GET', headers, signal, what }) {
      if (offline) throw new OfflineError(`${what} needs the network`, 'remove `offline` and HF_HUB_OFFLINE');
      let url = start;
      let hubHeaders: Headers | undefined;
      for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
        // The token is for the endpoint alone: a redirect to another host goes without it.
        const authorization = token !== undefined && url.origin === origin ? { authorization: `Bearer ${token}` } : {};
        const response = await fetchOnce(url, {
          method,
          redirect: 'manual',
          headers: { 'user-agent': 'clip-classify', 'accept-encoding': 'identity', ...headers, ...authorization },
          signal,
        }).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : connectionError(url, error);
        });
        hubHeaders ??= response.headers;
        if (!REDIRECTS.has(response.status)) {
          if (response.ok || response.status === 416) return { response, hubHeaders };
          await response.body?.cancel();
          throw statusError(response, what, token !== undefined, patience.longestWaitMs);
        }
        await response.body?.cancel();
        url = redirectTarget(url, response.headers.get('location'), what);
      }
      throw new HubError(`${what} is redirected more than ${MAX_REDIRECTS} times`, 'check HF_ENDPOINT and the proxy');
    },
  };
}

/** What a connection that broke, or never came about, means. */
export function connectionError(url: URL, error: unknown): ClipError | Transient {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const failure = new HubError(
    `cannot reach ${url.host}: ${messageOf(cause) || code}`,
    'check the connection, HF_ENDPOINT and https_proxy',
    error,
  );
  return LASTING.test(code) ? failure : new Transient(failure);
}

function redirectTarget(from: URL, location: string | null, what: string): URL {
  const refused = (why: string) =>
    new HubError(
      `${what} is redirected to ${JSON.stringify(location?.slice(0, 200))}: ${why}`,
      'check HF_ENDPOINT and the proxy',
    );
  if (location === null || !URL.canParse(location, from.href)) throw refused('that is not an address');
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && to.protocol !== 'http:') throw refused(`${to.protocol} is not allowed`);
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw refused('a redirect from https to http is not allowed');
  return to;
}

/** Node's own fetch; through undici's agent where a proxy is set, which Node 20's own does not know. */
async function proxied({ proxies }: HubSettings): Promise<typeof fetch> {
  if (proxies === undefined) return fetch;
  const { openProxied } = await import('../network/proxy.ts');
  const dispatcherFor = await openProxied(proxies);
  return (url, init) => {
    // @types/node describes another release of undici 6 than the package: one dispatcher for both, two types of it.
    const dispatcher = dispatcherFor(new URL(String(url))) as unknown as NonNullable<RequestInit['dispatcher']>;
    return fetch(url, { ...init, dispatcher });
  };
}
