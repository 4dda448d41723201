import type { Agent, Dispatcher } from 'undici';
import type { NetworkSettings } from './settings.ts';

type Proxies = NonNullable<NetworkSettings['proxies']>;

/**
 * The dispatcher for a URL: the proxy of its scheme (the http proxy also for https, if there is no other), or a direct connection
 * for hosts in `no_proxy`. undici's own EnvHttpProxyAgent does the same, but prints a warning that it is experimental.
 */
export async function openProxied(proxies: Proxies, options: Agent.Options = {}): Promise<(url: URL) => Dispatcher> {
  const { Agent, ProxyAgent } = await import('undici');
  const direct = new Agent(options);
  const through = (uri: string) => (uri === '' ? direct : new ProxyAgent({ ...options, uri }));
  const http = through(proxies.httpProxy);
  const https = proxies.httpsProxy === '' ? http : through(proxies.httpsProxy);
  return (url) => {
    if (goesPast(url, proxies.noProxy)) return direct;
    return url.protocol === 'https:' ? https : http;
  };
}

/** Sends one request. */
export type Fetch = (
  url: URL,
  init: {
    readonly method: 'GET' | 'HEAD';
    readonly redirect: 'manual';
    readonly headers: Record<string, string>;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** A fetch that uses the proxies. */
export async function openProxiedFetch(proxies: Proxies): Promise<Fetch> {
  const { fetch } = await import('undici');
  const dispatcherFor = await openProxied(proxies);
  return (url, init) => fetch(url, { ...init, dispatcher: dispatcherFor(url) });
}

/**
 * Whether a URL is requested without the proxy.
 *
 * @param noProxy hosts, with or without a port, separated by commas or spaces; `.host` and `*.host` match subdomains, `*` matches all
 */
export function goesPast({ protocol, hostname, port }: URL, noProxy: string): boolean {
  const itsPort = port || (protocol === 'https:' ? '443' : '80');
  return noProxy.split(/[\s,]+/u).some((entry) => {
    const [, host = '', only] = /^(.*?)(?::(\d+))?$/u.exec(entry.toLowerCase()) ?? [];
    if (host === '' || (only !== undefined && only !== itsPort)) return false;
    return /^[.*]/u.test(host) ? hostname.endsWith(host.replace(/^\*/u, '')) : hostname === host;
  });
}
