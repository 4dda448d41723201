import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pullModel } from '../../src/hub/pull.ts';
import { fixture } from '../paths.ts';
import { hasty, newHome } from './cache.ts';
import { type LoopbackHub, repositoryOf, startHub } from './server.ts';

let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
let proxy: Server;
let tunnels: string[];

/** A proxy that tunnels (CONNECT, RFC 9110 9.3.6), and remembers where to. */
beforeEach(async () => {
  hub = await startHub({ 'acme/tiny-clip': repositoryOf(fixture('tiny-class')) });
  home = await newHome(hub.endpoint);
  tunnels = [];
  proxy = createServer();
  proxy.on('connect', (request, client) => {
    tunnels.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const server = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      server.pipe(client).pipe(server);
    });
    for (const socket of [server, client]) socket.on('error', () => {});
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
afterEach(async () => {
  await hub.close();
  proxy.closeAllConnections();
  proxy.close();
  await home.remove();
});

const pull = (variables: Record<string, string>) =>
  pullModel('acme/tiny-clip', { env: { ...home.env, ...variables }, retryPolicy: hasty });
const address = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

it.each(['http_proxy', 'HTTP_PROXY', 'ALL_PROXY'])('goes through %s', async (name) => {
  expect((await pull({ [name]: address() })).fetched).toBeGreaterThan(200_000);
  expect(new Set(tunnels)).toEqual(new Set([new URL(hub.endpoint).host, new URL(hub.cdn).host]));
});

it('does not use the proxy for hosts in no_proxy', async () => {
  await pull({ http_proxy: address(), no_proxy: '127.0.0.1' });
  expect(tunnels).toEqual([]);
});

it('reports a variable that is not a URL', async () => {
  await expect(pull({ https_proxy: 'proxy port 3128' })).rejects.toThrow('a proxy variable is not a URL');
});
