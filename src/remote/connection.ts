import { setMaxListeners } from 'node:events';
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import { messageOf, ServerError } from '../errors.ts';
import type { ServerAddress } from './address.ts';

/** An answer of a service. */
export interface Reply {
  readonly status: number;
  /** Unchecked JSON; undefined if the body is not JSON. */
  readonly body: unknown;
}

/** A request. */
export interface Message {
  readonly method: 'GET' | 'POST';
  /** Below the address of the service, without a slash at its beginning. */
  readonly path: string;
  readonly type?: string;
  /** Parts of the body, in order. */
  readonly body?: readonly Uint8Array[];
  /** Milliseconds without a byte after which a service has failed. */
  readonly silenceMs: number;
}

/** Milliseconds for further tries if the queue is full or the service is being replaced. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** Rows of one image with very many labels. */
const MOST_BYTES = 256_000_000;

/** Sends requests to one service. Connections are kept and used again. */
export class ServerConnection {
  private readonly agent: Agent;
  private readonly signal: AbortSignal;

  /** @param signal ends all requests in progress */
  constructor(
    readonly address: ServerAddress,
    private readonly token: string | undefined,
    signal: AbortSignal,
  ) {
    this.signal = AbortSignal.any([signal]);
    setMaxListeners(0, this.signal); // every request in progress listens
    const options = { keepAlive: true };
    this.agent = address.url.protocol === 'https:' ? new TlsAgent(options) : new Agent(options);
  }

  /**
   * Sends a request. While the service is full (429) or is being replaced (503), it is sent again, for a minute.
   *
   * @throws ServerError if there is no answer
   */
  async send(message: Message): Promise<Reply> {
    const began = performance.now();
    for (;;) {
      const { incoming, text } = await this.exchange(message);
      const reply = { status: incoming.statusCode ?? 0, body: parse(text) };
      if (!isPassing(reply) || performance.now() - began > PATIENCE_MS) return reply;
      const asked = Number(incoming.headers['retry-after']) * 1000 || PAUSE_MS;
      await setTimeout(Math.min(asked, LONGEST_PAUSE_MS), undefined, { signal: this.signal });
    }
  }

  close(): void {
    this.agent.destroy();
  }

  /**
   * Sends the request a second time if the connection is closed: a kept connection can end just when it is used, and a service just
   * before it accepts.
   */
  private async exchange(message: Message): Promise<Exchanged> {
    for (let isFirst = true; ; isFirst = false) {
      try {
        return await this.start(message);
      } catch (error) {
        this.signal.throwIfAborted();
        if (isFirst && isClosed(error)) continue;
        throw new ServerError(
          `the server at ${this.address.name} does not answer: ${messageOf(error)}`,
          'start it with clip-classify serve, or remove --server and CLIP_CLASSIFY_SERVER to classify in this process',
          error,
        );
      }
    }
  }

  private start({ method, path, type, body = [], silenceMs }: Message): Promise<Exchanged> {
    const { socketPath, url } = this.address;
    const { pathname, hostname, port, protocol } = url;
    const options: RequestOptions = {
      ...(socketPath === undefined ? { hostname: hostname.replace(/^\[(.*)\]$/u, '$1'), port } : { socketPath }),
      method,
      path: `${pathname}${path}`,
      headers: {
        host: url.host,
        'content-length': body.reduce((sum, { length }) => sum + length, 0),
        ...(type !== undefined && { 'content-type': type }),
        ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
      },
      agent: this.agent,
      signal: this.signal,
      timeout: silenceMs,
    };
    const outgoing = (protocol === 'https:' ? tlsRequest : request)(options);
    return new Promise<Exchanged>((done, failed) => {
      outgoing.on('error', failed);
      outgoing.on('timeout', () => outgoing.destroy(new Error(`it has sent nothing for ${silenceMs / 1000} s`)));
      outgoing.on('response', (incoming) => {
        collect(incoming).then((text) => done({ incoming, text }), failed);
      });
      for (const part of body) outgoing.write(part);
      outgoing.end();
    });
  }
}

interface Exchanged {
  readonly incoming: IncomingMessage;
  readonly text: string;
}

async function collect(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error('it answers with too many bytes');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString();
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function isPassing({ status, body }: Reply): boolean {
  return status === 429 || (status === 503 && codeOf(body) === 'E_STOPPING');
}

/** The code of an answer that is an error. */
function codeOf(body: unknown): string | undefined {
  const { code } = Object(Object(body).error) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
