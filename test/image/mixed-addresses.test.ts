import { expect, it, vi } from 'vitest';
import { networksOf } from '../../src/network/address.ts';
import { lookupWithin } from '../../src/network/connection.ts';

const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  'mixed.test': ['127.0.0.1', '93.184.216.34', '::1'],
  'inside.test': ['10.0.0.1', '127.0.0.1'],
};
const found = (host: string) => (ADDRESSES[host] ?? []).map((address) => ({ address, family: 4 }));
vi.mock('node:dns/promises', () => ({ lookup: async (host: string) => found(host) }));
vi.mock('node:dns', () => ({
  lookup: (host: string, _: unknown, done: (error: null, addresses: unknown) => void) => done(null, found(host)),
}));

const lookUp = (host: string, allowed: Parameters<typeof lookupWithin>[0]) =>
  new Promise((done) =>
    lookupWithin(allowed)(host, { all: true }, (error, addresses) => done(error?.message ?? addresses)),
  );

it('a host that has a public address beside others is used as a public host, by its public address alone', async () => {
  const networks = await networksOf(new URL('http://mixed.test/'));
  expect([...networks]).toEqual(['public']);
  expect(await lookUp('mixed.test', networks)).toEqual([{ address: '93.184.216.34', family: 4 }]);
});

it('a host without an address in an allowed network is refused by name', async () => {
  expect([...(await networksOf(new URL('http://inside.test/')))].sort()).toEqual(['loopback', 'private']);
  expect(await lookUp('inside.test', new Set(['public']))).toBe('inside.test has the private address 10.0.0.1');
});
