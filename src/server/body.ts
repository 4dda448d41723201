import type { IncomingMessage } from 'node:http';
import type { Budget } from './budget.ts';
import { badRequest, Problem, tooLarge } from './problems.ts';

/** A body in memory. Its bytes are returned to the budget when its request is answered. */
export interface Body {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * Reads the body of a request. A length that is too large is refused before a byte is read.
 *
 * @throws Problem 400, 413 or 429
 */
export async function readBody(incoming: IncomingMessage, limit: number, budget: Budget): Promise<Body> {
  const promised = Number(incoming.headers['content-length'] ?? 0);
  if (promised > limit) throw tooLarge(`the body has ${promised} bytes; the limit is ${limit}`);
  if (incoming.headers['content-encoding'] !== undefined)
    throw new Problem(415, 'E_MEDIA_TYPE', 'the body is compressed; send it without Content-Encoding');
  let taken = 0;
  const take = (bytes: number) => {
    budget.take(bytes);
    taken += bytes;
  };
  const release = () => {
    budget.give(taken);
    taken = 0;
  };
  try {
    take(promised);
    const chunks: Buffer[] = [];
    let size = 0;
    // A refused client is still sending: its connection stays, so that it can read why.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(`the body has more than ${limit} bytes, the limit`);
      if (size > taken) take(chunk.length);
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks, size), release };
  } catch (error) {
    release();
    if (error instanceof Problem) throw error;
    throw badRequest('the body ends before its length');
  }
}
