import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What kind of network an address belongs to (IANA's special-purpose registries, RFC 6890). */
export type Network = 'public' | 'loopback' | 'private' | 'link-local' | 'reserved' | 'documentation' | 'translated';

/** The ranges of ipaddr.js that are not reserved. Every range that is in neither list is reserved. */
const NETWORKS: Readonly<Record<string, Network>> = {
  unicast: 'public',
  loopback: 'loopback',
  private: 'private',
  carrierGradeNat: 'private',
  uniqueLocal: 'private',
  linkLocal: 'link-local',
  // Each contains an IPv4 address that a gateway translates, so its target is not known here.
  rfc6145: 'translated',
  rfc6052: 'translated',
  '6to4': 'translated',
  teredo: 'translated',
  amt: 'translated',
};

/** Ranges without a name in ipaddr.js. Addresses for documentation count as a separate network. */
const UNNAMED: readonly (readonly [range: readonly [ipaddr.IPv4 | ipaddr.IPv6, number], network: Network])[] = (
  [
    ['192.0.2.0/24', 'documentation'],
    ['198.51.100.0/24', 'documentation'],
    ['203.0.113.0/24', 'documentation'],
    ['2001:db8::/32', 'documentation'],
    ['3fff::/20', 'documentation'],
    ['fec0::/10', 'private'],
    ['64:ff9b:1::/48', 'translated'],
    ['::/96', 'translated'],
  ] as const
).map(([range, network]) => [ipaddr.parseCIDR(range), network]);

/** The only part of IPv6 that is allocated for public hosts. */
const GLOBAL = ipaddr.IPv6.parseCIDR('2000::/3');

/** NAT64's well-known prefix. In a network without IPv4, every public IPv4 host is reached through it. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/** @param address an IPv4 or IPv6 address; an IPv4 address that is mapped into IPv6 counts as itself */
export function networkOf(address: string): Network {
  const parsed = ipaddr.process(address.replace(/%.*$/u, ''));
  const range = parsed.range();
  if (range === 'unspecified' || range === 'loopback') return NETWORKS[range] ?? 'reserved';
  const unnamed = UNNAMED.find(([[base, bits]]) => base.kind() === parsed.kind() && parsed.match(base, bits));
  if (unnamed !== undefined) return unnamed[1];
  if (parsed instanceof ipaddr.IPv6) {
    if (isIsatap(parsed)) return 'translated';
    const inside = new ipaddr.IPv4(parsed.toByteArray().slice(-4)).toString();
    if (parsed.match(NAT64)) return networkOf(inside) === 'public' ? 'public' : 'translated';
  }
  if (parsed instanceof ipaddr.IPv6 && range === 'unicast' && !parsed.match(GLOBAL)) return 'reserved';
  return NETWORKS[range] ?? 'reserved';
}

/** ISATAP (RFC 5214) keeps an IPv4 address in the lower half, after 0:5efe or 200:5efe. */
function isIsatap({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0x5efe && (parts[4] === 0 || parts[4] === 0x200);
}

/** The networks of a host's addresses. Empty if its name cannot be resolved here; a proxy may know it. */
export async function networksOf({ hostname }: URL): Promise<ReadonlySet<Network>> {
  const host = hostname.replace(/^\[(.*)\]$/u, '$1');
  if (isIP(host) !== 0) return new Set([networkOf(host)]);
  const addresses = await lookup(host, { all: true }).catch(() => []);
  return new Set(addresses.map(({ address }) => networkOf(address)));
}
