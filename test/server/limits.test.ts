import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { png } from '../image/bombs.ts';
import { fixture, repository } from '../paths.ts';
import { malformed } from './malformed.ts';
import { dial, IMAGE, isReady, postHead, type Running, serve } from './service.ts';

const image = await readFile(IMAGE);
let service: Running;
beforeAll(async () => {
  service = await serve(['--port', '0', '-l', 'cat,dog']);
}, 60_000);
afterAll(() => service.stop());

interface Body {
  readonly results: readonly {
    readonly image: string;
    readonly label?: string;
    readonly error?: { readonly code: string };
  }[];
}

const send = (body: NonNullable<RequestInit['body']>, init: RequestInit = {}) =>
  fetch(`${service.address}/v1/classify`, { method: 'POST', body, ...init });

/** One request of so many images. */
function many(count: number, init: RequestInit = {}): Promise<Response> {
  const form = new FormData();
  for (let n = 0; n < count; n++) form.append('images', new Blob([image]), `${n}`);
  return send(form, init);
}

/** The worker processes of a service. */
function workers({ pid }: Running): number[] {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes('image-encoder')).map((line) => Number.parseInt(line, 10));
}

describe('images at the limits', () => {
  it('ranks an image of 1 × 1, and names what is wrong with a cut image and a bomb', async () => {
    const bomb = Buffer.from(png(12_000, 10_000, 8, 0));
    const files = {
      one: await readFile(fixture('images/one-pixel.png')),
      cut: image.subarray(0, -200),
      bomb,
      good: image,
    };
    const form = new FormData();
    for (const [name, bytes] of Object.entries(files)) form.append('images', new Blob([bytes]), name);
    const response = await send(form);
    const { results } = (await response.json()) as Body;
    expect(response.status).toBe(200);
    expect(results.map(({ error }) => error?.code)).toEqual([undefined, 'E_DECODE', 'E_PIXEL_LIMIT', undefined]);
    expect(await isReady(service)).toBe(true);
  });
});

describe('requests at the limits', () => {
  it('gives each of 200 malformed bodies its status, without paths and stack traces', async () => {
    const wrong: string[] = [];
    for (const { kind, type, body, status } of malformed(200, image)) {
      const response = await send(body, { headers: { 'content-type': type } });
      const text = await response.text();
      if (response.status !== status) wrong.push(`${kind}: ${response.status} ${text}`);
      expect(JSON.parse(text).error.message).not.toMatch(/\n|\bat .*:\d+|node_modules|\.[jt]s\b/u);
      expect(text).not.toContain(repository.slice(0, -1));
    }
    expect(wrong).toEqual([]);
    expect(await isReady(service)).toBe(true);
  });

  it('refuses long headers, and a body whose length is over the limit before it comes', async () => {
    expect((await send(image, { headers: { 'x-long': 'x'.repeat(20_000) } })).status).toBe(431);
    const { socket, answer } = dial(service);
    socket.write(postHead(service, 'Content-Length: 300000000'));
    expect(await answer).toMatch(/^HTTP\/1.1 413 /u);
    const chunked = dial(service);
    chunked.socket.write(postHead(service, 'Transfer-Encoding: chunked'));
    const block = Buffer.alloc(1_000_000);
    for (let n = 0; n < 70 && chunked.socket.writable; n++) {
      chunked.socket.write(
        Buffer.concat([Buffer.from(`${block.length.toString(16)}\r\n`), block, Buffer.from('\r\n')]),
      );
      await new Promise((done) => setImmediate(done));
    }
    expect(await chunked.answer).toMatch(/^HTTP\/1.1 413 /u);
    expect(await isReady(service)).toBe(true);
  });
});

describe('under load', () => {
  it('answers 429 with Retry-After when the queue is full, and gives the place of a client that leaves to the next', async () => {
    const stopped = workers(service);
    expect(stopped.length).toBeGreaterThan(0);
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    const leaving = new AbortController();
    try {
      const waiting = [many(64), many(64), many(64)];
      await queue(192);
      const left = many(64, { signal: leaving.signal });
      left.catch(() => {});
      await queue(256);
      const refused = await many(1);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      leaving.abort();
      await queue(192);
      waiting.push(many(64));
      await queue(256);
      for (const pid of stopped) process.kill(pid, 'SIGCONT');
      const answers = await Promise.all(waiting);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT');
    }
    expect(await isReady(service)).toBe(true);
  });

  it('answers every image once, without an error, when its worker processes are killed', async () => {
    const killed = workers(service);
    for (const pid of killed) process.kill(pid, 'SIGSTOP');
    const answers = Array.from({ length: 8 }, () => many(32));
    await queue(256);
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    for (const answer of answers) {
      const response = await answer;
      expect(response.status).toBe(200);
      const { results } = (await response.json()) as Body;
      expect(results.map(({ image: name }) => name)).toEqual(Array.from({ length: 32 }, (_, n) => String(n)));
      expect(results.flatMap(({ error }) => error ?? [])).toEqual([]);
    }
    const labels = 'new,after the kill';
    const address = `${service.address}/v1/classify?labels=${encodeURIComponent(labels)}`;
    const fresh = await fetch(address, { method: 'POST', body: image, headers: { 'content-type': 'image/png' } });
    expect(labels.split(',')).toContain(((await fresh.json()) as Body).results[0]?.label);
    expect(workers(service).filter((pid) => killed.includes(pid))).toEqual([]);
  });

  it('loses no accepted request to SIGTERM', async () => {
    const local = await serve(['--port', '0', '-l', 'cat,dog', '--log', 'json']);
    const clients = Array.from({ length: 200 }, async () => {
      const response = await fetch(`${local.address}/v1/classify`, { method: 'POST', body: image }).catch(
        () => undefined,
      );
      if (response?.status === 200) expect(((await response.json()) as Body).results[0]?.label).toBeTypeOf('string');
      return response?.status ?? 0;
    });
    await Promise.race(clients);
    const { code, stderr } = await local.stop();
    const statuses = await Promise.all(clients);
    const logged = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; status: number })
      .filter(({ event }) => event === 'request');
    const count = (all: readonly number[], status: number) => all.filter((one) => one === status).length;
    for (const status of [200, 503])
      expect(count(statuses, status)).toBe(
        count(
          logged.map((one) => one.status),
          status,
        ),
      );
    expect(count(statuses, 200)).toBeGreaterThan(0);
    expect(statuses.filter((status) => ![0, 200, 503].includes(status))).toEqual([]);
    expect(code).toBe(0);
  });
});

/** Waits until so many images wait or run. */
async function queue(images: number): Promise<void> {
  const read = async () => {
    const text = await (await fetch(`${service.address}/metrics`)).text();
    return Number(/^clip_classify_queue_images (\d+)$/mu.exec(text)?.[1]);
  };
  await expect.poll(read, { timeout: 8_000 }).toBe(images);
}
