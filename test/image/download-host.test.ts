import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { imageFetcher } from '../../src/image/download.ts';
import { fixture } from '../paths.ts';
import { type Handler, type Loopback, serve } from './server.ts';

const image = readFileSync(fixture('images/rgb.png'));
const agents: (string | undefined)[] = [];
/** Busy for so many requests, then the image. */
const busy = (times: number, status: number, retryAfter?: () => string): Handler => {
  let left = times;
  return ({ headers }, response) => {
    agents.push(headers['user-agent']);
    if (left-- > 0) response.writeHead(status, retryAfter && { 'retry-after': retryAfter() }).end();
    else response.end(image);
  };
};

let server: Loopback;
beforeAll(async () => {
  server = await serve({
    '/429': busy(2, 429, () => '0'),
    '/503': busy(1, 503, () => new Date().toUTCString()),
    '/hours': busy(1, 429, () => '7200'),
    '/always': busy(100, 503, () => '0'),
    '/500': busy(1, 500),
    // The bytes of UTF-8 as a server sends them, without percent signs.
    '/moved': (_, response) =>
      response.writeHead(302, { location: Buffer.from('/katze-ä.png').toString('latin1') }).end(),
    '/katze-%C3%A4.png': (_, response) => response.end(image),
  });
});
afterAll(() => server.close());

const fetchImage = (path: string) =>
  imageFetcher(() => ({ offline: false, proxies: undefined }))(`${server.origin}${path}`);

it.each(['/429', '/503'])('a busy host is asked again as Retry-After says: %s', async (path) => {
  expect(Buffer.compare(Buffer.from(await fetchImage(path)), image)).toBe(0);
});

it.each([
  ['/hours', 429],
  ['/always', 503],
  ['/500', 500],
])('a host that asks for hours, is busy for ever or is broken is an error: %s', async (path, status) => {
  await expect(fetchImage(path)).rejects.toMatchObject({
    code: 'E_URL',
    message: expect.stringContaining(`${status}`),
  });
});

it('a redirect whose address is raw UTF-8 is followed', async () => {
  expect(Buffer.compare(Buffer.from(await fetchImage('/moved')), image)).toBe(0);
});

it('hosts are told the name, the version and an address', () => {
  expect(agents[0]).toMatch(/^clip-classify\/\d+\.\d+\.\d+ \(\+https:\/\/\S+\)$/);
});
