import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Dispatcher, RequestInit, Response } from 'undici';
import { type Network, networkOf } from './address.ts';
import { openProxied } from './proxy.ts';
import type { NetworkSettings } from './settings.ts';

/** Sends one request. The caller follows redirects. */
export type Send = (url: URL, init: RequestInit, allowed: ReadonlySet<Network>) => Promise<Response>;

/**
 * Opens connections, through a proxy if one is set. A host outside of the allowed networks is refused by the address of the
 * connection, so that a name whose address changes after a check does not help an attacker.
 */
export async function openConnections({ proxies }: NetworkSettings): Promise<Send> {
  const { Agent, fetch } = await import('undici');
  const dispatchers = new Map<string, Promise<(url: URL) => Dispatcher>>();
  return async (url, init, allowed) => {
    const key = [...allowed].sort().join();
    let dispatcher = dispatchers.get(key);
    if (dispatcher === undefined) {
      const options = { connect: { lookup: lookupWithin(allowed) } };
      const direct = () => {
        const agent = new Agent(options);
        return Promise.resolve(() => agent);
      };
      dispatcher = proxies === undefined ? direct() : openProxied(proxies, options);
      dispatchers.set(key, dispatcher);
    }
    return fetch(url, { ...init, dispatcher: (await dispatcher)(url), redirect: 'manual' });
  };
}

function lookupWithin(allowed: ReadonlySet<Network>): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      const refused = addresses?.find(({ address }) => !allowed.has(networkOf(address)));
      if (refused)
        return done(new Error(`${host} has the ${networkOf(refused.address)} address ${refused.address}`), '');
      const [first] = addresses ?? [];
      if (error || first === undefined) return done(error ?? new Error(`${host} has no address`), '');
      if (options.all) done(null, addresses);
      else done(null, first.address, first.family);
    });
  };
}
