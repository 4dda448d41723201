import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface Loopback {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** The requested paths, with the authorization if there was one. */
  readonly seen: string[];
  close(): Promise<void>;
}

/** A server on the loopback interface: a handler for each path. */
export async function serve(handlers: Readonly<Record<string, Handler>>): Promise<Loopback> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    seen.push(headers.authorization === undefined ? url : `${url} ${headers.authorization}`);
    response.on('error', () => {});
    const handler = handlers[new URL(url, 'http://x').pathname];
    if (handler) handler(request, response);
    else response.writeHead(404).end();
  });
  return { origin: await listen(server), seen, close: () => close(server) };
}

/** A proxy that tunnels (CONNECT, RFC 9110 9.3.6): every host is the one server. */
export async function proxyTo(target: Loopback): Promise<Loopback> {
  const seen: string[] = [];
  const server = createServer();
  server.on('connect', (request, client) => {
    seen.push(request.url ?? '');
    const upstream = connect(Number(new URL(target.origin).port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [upstream, client]) socket.on('error', () => {});
  });
  return { origin: await listen(server), seen, close: () => close(server) };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
