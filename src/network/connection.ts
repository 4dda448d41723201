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

/** A look-up that finds the addresses in the allowed networks. */
export function lookupWithin(allowed: ReadonlySet<Network>): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      const [any] = addresses ?? [];
      if (error || any === undefined) return done(error ?? new Error(`${host} has no address`), '');
      const usable = addresses.filter(({ address }) => allowed.has(networkOf(address)));
      const [first] = usable;
      if (first === undefined) done(new Error(`${host} has the ${networkOf(any.address)} address ${any.address}`), '');
      else if (options.all) done(null, usable);
      else done(null, first.address, first.family);
    });
  };
}
