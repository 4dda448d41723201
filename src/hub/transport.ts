import { type ClipError, HubError, messageOf, OfflineError } from '../errors.ts';
import type { Fetch } from '../network/proxy.ts';
import type { HubSettings, HubToken } from '../network/settings.ts';
import { REDIRECTS, redirectTarget } from '../network/url.ts';
import { Transient, type Waiting } from './retry.ts';
import { statusError } from './status.ts';

/** An answer of the Hub or of the server that it redirects to. */
export interface Answer {
  readonly response: Response;
  /** The first answer on the way with X-Linked-Etag: the Hub's own claim about the bytes of a large file. */
  readonly claim: Headers | undefined;
}

export interface Request {
  readonly url: URL;
  /** HEAD stops at the answer with the checksum, because the next one would be the data. */
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** `org/name`, for the address that a refusal shows. */
  readonly repo: string;
  /** The requested file, for messages. */
  readonly what: string;
}

/** All requests of this folder go through this function. */
export interface HubConnection extends Waiting {
  readonly settings: HubSettings;
  /** @returns a success (2xx), 416, or a redirect with a checksum; @throws ClipError or Transient */
  send(request: Request): Promise<Answer>;
}

/** Who is told about events of a connection. */
export interface Listeners extends Waiting {
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The most redirects. huggingface_hub allows 20; the Hub and its mirrors use at most four. */
const MAX_REDIRECTS = 10;
/** Hosts that also get the token, because a mirror may redirect gated files to them (like huggingface_hub). */
const HUB_HOSTS: ReadonlySet<string> = new Set(['https://huggingface.co', 'https://hf.co']);
/** Failures of a connection that a second try cannot fix. */
const LASTING = /^(ENOTFOUND|ECONNREFUSED|CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO)/u;
const UNTRUSTED = /^(CERT_(UNTRUSTED|SIGNATURE)|SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO)/u;

/** @throws UsageError if a proxy variable is not a URL */
export async function connectHub(settings: HubSettings, listeners: Listeners): Promise<HubConnection> {
  const { endpoint, offline, stallMs = listeners.retryPolicy.stallMs } = settings;
  const retryPolicy = { ...listeners.retryPolicy, stallMs };
  const fetchOnce = await fetchOf(settings);
  let { token } = settings;

  async function follow({ url: start, method = 'GET', headers, signal, repo, what }: Request): Promise<Answer> {
    let url = start;
    let claim: Headers | undefined;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const { authorization, sent } = credentials(settings, token, url);
      const response = await fetchOnce(url, {
        method,
        redirect: 'manual',
        headers: { 'user-agent': 'clip-classify', 'accept-encoding': 'identity', ...headers, ...authorization },
        signal,
      }).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : connectionError(url, error);
      });
      if (response.headers.has('x-linked-etag')) claim ??= response.headers;
      const isRedirect = REDIRECTS.has(response.status);
      if (response.ok || response.status === 416 || (isRedirect && method === 'HEAD' && claim !== undefined))
        return { response, claim };
      await response.body?.cancel();
      if (isRedirect) {
        url = checkedTarget(url, response.headers.get('location'), what);
        continue;
      }
      if (response.status === 401 && sent?.isFile) throw new StaleToken(sent);
      const page = `${endpoint}/${repo}`;
      const refusal = { response, url, what, page, isHub: isHub(endpoint, url), token: sent };
      throw statusError(refusal, retryPolicy.longestWaitMs);
    }
    throw new HubError(`${what} is redirected more than ${MAX_REDIRECTS} times`, 'check HF_ENDPOINT and the proxy');
  }

  return {
    settings,
    retryPolicy,
    onTrouble: listeners.onTrouble,
    async send(request) {
      if (offline)
        throw new OfflineError(`${request.what} needs a connection`, 'remove `offline` and unset HF_HUB_OFFLINE');
      return follow(request).catch((error: unknown) => {
        if (!(error instanceof StaleToken)) throw error;
        if (token !== undefined)
          listeners.onWarning?.(`the Hub refuses the token in ${token.from}; continuing without a token`);
        token = undefined; // public models need no token, and an old login must not prevent their download
        return follow(request);
      });
    },
  };
}

/** The Hub refuses a token that the user did not set for this run. */
class StaleToken extends Error {
  constructor({ from }: HubToken) {
    super(from);
  }
}

/** The credentials for a host. A redirect to any other host is followed without them. */
export function credentials(
  { endpoint, login }: Pick<HubSettings, 'endpoint' | 'login'>,
  token: HubToken | undefined,
  url: URL,
): { readonly authorization: Record<string, string>; readonly sent: HubToken | undefined } {
  const isEndpoint = url.origin === new URL(endpoint).origin;
  if (isEndpoint && login !== undefined) return { authorization: { authorization: login }, sent: undefined };
  if (token === undefined || !isHub(endpoint, url)) return { authorization: {}, sent: undefined };
  return { authorization: { authorization: `Bearer ${token.value}` }, sent: token };
}

function isHub(endpoint: string, { origin }: URL): boolean {
  return origin === new URL(endpoint).origin || HUB_HOSTS.has(origin);
}

/** The error for a failed connection. */
export function connectionError(url: URL, error: unknown): ClipError | Transient {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const nextStep = UNTRUSTED.test(code)
    ? 'its certificate is not trusted: behind a company proxy, set NODE_EXTRA_CA_CERTS to the file with its certificate'
    : 'check the connection, HF_ENDPOINT and https_proxy';
  const failure = new HubError(`cannot reach ${url.host}: ${code || messageOf(cause)}`, nextStep, error);
  return LASTING.test(code) ? failure : new Transient(failure);
}

function checkedTarget(from: URL, location: string | null, what: string): URL {
  const to = redirectTarget(from, location);
  const isDowngrade = to instanceof URL && from.protocol === 'https:' && to.protocol === 'http:';
  if (to instanceof URL && !isDowngrade) return to;
  const reason = to instanceof URL ? 'a redirect from https to http is not allowed' : to;
  throw new HubError(
    `${what} is redirected to ${JSON.stringify(location?.replace(/\/\/[^/]*@/u, '//').slice(0, 200))}: ${reason}`,
    'check HF_ENDPOINT and the proxy',
  );
}

/** Node's own fetch or, with a proxy, the fetch of undici, because the fetch of Node 20 does not support proxies. */
async function fetchOf({ proxies }: HubSettings): Promise<Fetch> {
  return proxies === undefined ? fetch : (await import('../network/proxy.ts')).openProxiedFetch(proxies);
}
