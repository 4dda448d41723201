import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pause } from '../cli/program.ts';
import { malformed } from '../server/malformed.ts';
import { dial, IMAGE, isReady, postHead, type Running, serve } from '../server/service.ts';

const image = await readFile(IMAGE);
let service: Running;
beforeAll(async () => {
  service = await serve(['--port', '0', '-l', 'cat,dog']);
}, 60_000);
afterAll(() => service.stop());

/** Megabytes of the process that listens. */
function memory(): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '--pid', String(service.pid)], { encoding: 'utf8' })) / 1024;
}

/** Sends one byte a second until an answer comes. @returns the answer, and after how many seconds it came */
async function sendSlowly(text: string): Promise<{ readonly answer: string; readonly seconds: number }> {
  const { socket, answer } = dial(service);
  const began = performance.now();
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  for (const character of text) {
    if (isAnswered) break;
    socket.write(character);
    await pause(1_000);
  }
  return { answer: await answer, seconds: (performance.now() - began) / 1000 };
}

describe('serve', () => {
  it('gives up on a client that sends a byte a second: after 10 s of headers, after 60 s of a body', async () => {
    const head = postHead(service, 'Content-Length: 1000');
    const slow = dial(service);
    slow.socket.write(head);
    const began = performance.now();
    const drip = setInterval(() => slow.socket.write('x'), 1_000);
    const headers = await sendSlowly(head);
    expect(headers.answer).toMatch(/^HTTP\/1.1 408 /u);
    expect(headers.seconds).toBeLessThan(15);
    expect(await isReady(service)).toBe(true);
    expect(await slow.answer).toMatch(/^HTTP\/1.1 408 /u);
    clearInterval(drip);
    expect((performance.now() - began) / 1000).toBeLessThan(65);
    expect(await isReady(service)).toBe(true);
  });

  it('answers while a thousand connections are idle, and closes them', async () => {
    const idle = Array.from({ length: 1_000 }, () => dial(service));
    await Promise.all(idle.map(({ socket }) => new Promise((done) => socket.once('connect', done))));
    expect(await isReady(service)).toBe(true);
    const answers = await Promise.all(idle.map(({ answer }) => answer));
    expect(new Set(answers.map((answer) => answer.split(' ')[1]))).toEqual(new Set(['408']));
    expect(await isReady(service)).toBe(true);
  });

  it('gives each of 2,000 malformed bodies its status', async () => {
    const wrong: string[] = [];
    for (const { kind, type, body, status } of malformed(2_000, image, 11)) {
      const headers = { 'content-type': type };
      const response = await fetch(`${service.address}/v1/classify`, { method: 'POST', body, headers });
      const text = await response.text();
      if (response.status !== status) wrong.push(`${kind}: ${response.status} ${text}`);
    }
    expect(wrong).toEqual([]);
    expect(await isReady(service)).toBe(true);
  });

  it('refuses a body of 300 MB, with and without its length, in little memory', async () => {
    const old = memory();
    const block = Buffer.alloc(1_000_000);
    for (const isChunked of [false, true]) {
      const { socket, answer } = dial(service);
      socket.write(postHead(service, isChunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 300000000'));
      const size = isChunked ? `${block.length.toString(16)}\r\n` : '';
      for (let n = 0; n < 300 && socket.writable; n++) {
        const isTaken = socket.write(Buffer.concat([Buffer.from(size), block, Buffer.from(isChunked ? '\r\n' : '')]));
        if (!isTaken) await Promise.race([new Promise((done) => socket.once('drain', done)), answer]);
      }
      expect(await answer).toMatch(/^HTTP\/1.1 413 /u);
    }
    expect(memory() - old).toBeLessThan(200);
    expect(await isReady(service)).toBe(true);
  });
});
