import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { goesPast } from '../../src/network/proxy.ts';
import { proxyTo, serve } from '../image/server.ts';
import { fixture } from '../paths.ts';
import { start, TINY } from './program.ts';

it('prints nothing on standard error with a proxy', async () => {
  const image = await readFile(fixture('images/rgb.png'));
  const server = await serve({ '/a.png': (_, response) => response.end(image) });
  const proxy = await proxyTo(server);
  const env = { ...process.env, http_proxy: proxy.origin, no_proxy: '', NO_PROXY: '' };
  const { ended } = start(['http://public.invalid/a.png', ...TINY, '-f', 'label'], env);
  const { code, stdout, stderr } = await ended;
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^(cat|dog)\n$/);
  expect(proxy.seen).toEqual(['public.invalid:80']);
  for (const one of [proxy, server]) await one.close();
});

// The behaviour of undici's EnvHttpProxyAgent (6.x).
it.each([
  ['http://host/', 'host', true],
  ['http://host/', 'other host', true],
  ['http://host/', 'other,HOST', true],
  ['http://sub.host/', 'host', false],
  ['http://sub.host/', '.host', true],
  ['http://sub.host/', '*.host', true],
  ['http://host/', '*', true],
  ['http://host:81/', 'host:81', true],
  ['http://host/', 'host:80', true],
  ['https://host/', 'host:80', false],
  ['http://host/', '', false],
])('%s under no_proxy "%s": past the proxy is %s', (url, noProxy, past) => {
  expect(goesPast(new URL(url), noProxy)).toBe(past);
});
