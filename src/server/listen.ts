import { chmod, lstat, mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, UsageError } from '../errors.ts';
import type { Service } from './context.ts';
import { allowedHosts } from './guard.ts';
import { handle } from './handler.ts';

/** Where a service listens. */
export type Place =
  | { readonly host: string; readonly port: number }
  | { readonly socket: string }
  /** A socket that is open already: its file descriptor. */
  | { readonly fd: number };

/** Time limits in milliseconds. A client that sends slowly holds a connection no longer. */
const TIME_LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 15_000 } as const;
/** Milliseconds for running requests to finish when the service stops. */
const GRACE_MS = 10_000;
const CONNECTIONS = 2_048;
/** macOS has the lowest limit for the path of a socket, 104 bytes. The folder in which the socket is made needs some of them. */
const SOCKET_BYTES = 95;

/** A service that listens. */
export interface Listening {
  /** What a client connects to. */
  readonly address: string;
  /** Resolves when no request has come for this number of seconds. */
  idle(seconds: number): Promise<void>;
  /** Accepts no more requests, and waits for running ones, at most 10 s. */
  stop(): Promise<void>;
}

/** @throws UsageError if the address is in use or not allowed */
export async function listen(service: Service, place: Place): Promise<Listening> {
  let hosts: ReadonlySet<string> | undefined = new Set<string>();
  let running = 0;
  let lastAt = performance.now();
  const server = createServer({ ...TIME_LIMITS, connectionsCheckingInterval: 1_000 }, (incoming, outgoing) => {
    running++;
    outgoing.on('close', () => {
      running--;
      lastAt = performance.now();
    });
    void handle(incoming, outgoing, service, hosts);
  });
  server.maxConnections = CONNECTIONS;
  if ('socket' in place) {
    hosts = undefined;
    await listenOnSocket(server, place.socket);
  } else {
    await begin(server, place);
    hosts = await hostsOf(server, place, service);
  }
  return {
    address: 'socket' in place ? `unix:${place.socket}` : addressOf(server, place),
    idle: (seconds) =>
      new Promise((done) => {
        const timer = setInterval(() => {
          if (running > 0 || performance.now() - lastAt < seconds * 1000) return;
          clearInterval(timer);
          done();
        }, 250);
        timer.unref();
      }),
    async stop() {
      if ('socket' in place) await rm(place.socket, { force: true });
      const late = setTimeout(() => server.closeAllConnections(), GRACE_MS);
      await new Promise((done) => server.close(done));
      clearTimeout(late);
    },
  };
}

/** @throws UsageError if a socket that was open already lets other machines ask, and there is no token */
async function hostsOf(server: Server, place: Exclude<Place, { socket: string }>, { settings }: Service) {
  const at = server.address() as AddressInfo | null;
  if (at === null) return undefined; // a Unix socket
  const { hosts, tokens } = settings.access;
  if ('fd' in place && tokens === undefined && !OWN_ADDRESSES.has(at.address)) {
    await new Promise((done) => server.close(done));
    throw new UsageError(
      `the inherited socket at ${at.address} lets other machines ask, and there is no token`,
      'add --token-file <file>',
    );
  }
  return allowedHosts(at.port, 'fd' in place ? at.address : place.host, hosts);
}

const OWN_ADDRESSES: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

function addressOf(server: Server, place: Exclude<Place, { socket: string }>): string {
  const at = server.address() as AddressInfo | null;
  if (at === null) return 'an inherited Unix socket';
  const host = 'fd' in place ? at.address : place.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${at.port}`;
}

function begin(server: Server, where: Exclude<Place, { socket: string }> | { readonly path: string }) {
  return new Promise<void>((done, failed) => {
    server.once('error', (error) => {
      const place = 'host' in where ? `${where.host}:${where.port}` : 'the socket';
      failed(
        new UsageError(`cannot listen on ${place}: ${messageOf(error)}`, 'choose another --port, --host or --socket'),
      );
    });
    server.listen(where, done);
  });
}

/** The socket is made in a folder that only its owner can enter, so that nobody else can ever connect to it. */
async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_BYTES)
    throw new UsageError(`the path of the socket has more than ${SOCKET_BYTES} bytes`, 'choose a shorter one');
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined && (!there.isSocket() || (await isAnswered(path))))
    throw new UsageError(`${path} is there already`, 'stop the service that has it, or choose another --socket');
  const folder = await mkdtemp(join(dirname(path), '.s')).catch((error) => {
    throw new UsageError(`cannot make ${path}: ${messageOf(error)}`, 'choose another --socket');
  });
  try {
    const made = join(folder, 's');
    await begin(server, { path: made });
    await chmod(made, 0o600);
    await rename(made, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    const end = (answer: boolean) => () => {
      socket.destroy();
      done(answer);
    };
    socket.on('connect', end(true)).on('error', end(false));
  });
}
