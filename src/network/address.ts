import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Addresses that mean another machine to everyone who uses them (IANA's special-purpose registries, RFC 6890). */
const SPECIAL = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fec0::/10'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  reserved: ['0.0.0.0/8', '192.0.0.0/24', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8'],
  // Another address inside: what it stands for is not known here.
  translated: ['64:ff9b::/96', '64:ff9b:1::/48', '2002::/16'],
} as const;

/** What kind of network an address belongs to. */
export type Network = keyof typeof SPECIAL | 'public';

const NETWORKS = Object.entries(SPECIAL).map(([network, ranges]) => {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return { network: network as keyof typeof SPECIAL, list };
});

/** @param address an IPv4 or IPv6 address; an IPv4 address inside of an IPv6 one counts as itself */
export function networkOf(address: string): Network {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  return NETWORKS.find(({ list }) => list.check(address, family))?.network ?? 'public';
}

/** The networks that a host's addresses belong to; none where its name is not known here, but perhaps to a proxy. */
export async function networksOf({ hostname }: URL): Promise<ReadonlySet<Network>> {
  const host = hostname.replace(/^\[(.*)\]$/u, '$1');
  if (isIP(host) !== 0) return new Set([networkOf(host)]);
  const addresses = await lookup(host, { all: true }).catch(() => []);
  return new Set(addresses.map(({ address }) => networkOf(address)));
}
