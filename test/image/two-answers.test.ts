import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canMount } from '../cli/disks.ts';
import { repository } from '../paths.ts';
import { type Handler, type Loopback, proxyTo, serve } from './server.ts';

/** The resolver of the system, with names of our own: a mount namespace has another /etc/hosts. */
const HOSTS =
  '93.184.216.34 both.test\n::1 both.test\n127.0.0.1 inside.test\n127.0.0.1 mixed.test\n93.184.216.34 mixed.test\n';
const run = promisify(execFile);

let folder: string;
let trap: Loopback;
let other: Loopback;
let proxy: Loopback;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hosts-'));
  await writeFile(join(folder, 'hosts'), HOSTS);
  trap = await serve({ '/': (_, response) => response.end('secret') });
  const port = new URL(trap.origin).port;
  const to =
    (host: string): Handler =>
    (_, response) =>
      response.writeHead(302, { location: `http://${host}:${port}/` }).end();
  other = await serve({ '/both': to('both.test'), '/inside': to('inside.test') });
  proxy = await proxyTo(other);
});
afterAll(async () => {
  for (const one of [proxy, other, trap]) await one.close();
  await rm(folder, { recursive: true });
});

/** What a module of the build answers to a call, with the names of {@link HOSTS}. */
async function withHosts(code: string): Promise<string> {
  const script = 'mount --bind "$1" /etc/hosts && exec "$2" --input-type=module -e "$3"';
  const command = ['--mount', 'bash', '-c', script, 'bash', join(folder, 'hosts'), process.execPath, code];
  return (await run('unshare', command)).stdout;
}
const built = (path: string) => JSON.stringify(join(repository, 'dist', path));

describe.skipIf(!canMount)('a name with a public and a private address (skipped if nothing can be mounted)', () => {
  it.each([
    ['/both', 'both.test'],
    ['/inside', 'inside.test'],
  ])('is refused as the target of a redirect: %s', async (path, host) => {
    const settings = { offline: false, proxies: { httpProxy: proxy.origin, httpsProxy: '', noProxy: '.test' } };
    const said = await withHosts(`import { imageFetcher } from ${built('image/download.js')};
      const failure = await imageFetcher(() => (${JSON.stringify(settings)}))('http://public.invalid${path}').catch((e) => e);
      console.log(failure.code, failure.message);`);
    expect(said).toMatch(new RegExp(`^E_URL .* is redirected into a loopback network, to ${host}:`));
    expect(trap.seen).toEqual([]);
  });

  it('does not let its redirects reach the private network', async () => {
    const from = new URL('/inside', other.origin).href.replace('127.0.0.1', 'mixed.test');
    const said = await withHosts(`import { imageFetcher } from ${built('image/download.js')};
      const settings = { offline: false, proxies: undefined };
      const failure = await imageFetcher(() => settings)(${JSON.stringify(from)}).catch((e) => e);
      console.log(failure.code, failure.message);`);
    expect(said).toMatch(/^E_URL .* is redirected into a loopback network, to inside\.test:/u);
    expect(trap.seen).toEqual([]);
  });

  it('is refused by the address of the connection, if a check before it saw only the public address', async () => {
    const said = await withHosts(`import { openConnections } from ${built('network/connection.js')};
      const send = await openConnections({ offline: false, proxies: undefined });
      const failure = await send(new URL('http://both.test/'), {}, new Set(['public'])).catch((e) => e);
      console.log(failure.cause.message);`);
    expect(said).toBe('both.test has the loopback address ::1\n');
  });

  it('is refused by a server, which downloads from public addresses only', async () => {
    const said = await withHosts(`import { fetcherInto } from ${built('image/download.js')};
      import { inMemory } from ${built('image/spool.js')};
      const get = fetcherInto(inMemory, () => ({ offline: false, proxies: undefined }), undefined, true);
      const failure = await get('http://both.test/').catch((e) => e);
      console.log(failure.code, failure.message);`);
    expect(said).toBe('E_URL http://both.test/ leads into a loopback network; use a public address\n');
  });
});
