import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetcherInto, imageFetcher } from '../../src/image/download.ts';
import { inMemory } from '../../src/image/spool.ts';
import { networkOf } from '../../src/network/address.ts';
import { fixture } from '../paths.ts';
import { type Handler, type Loopback, proxyTo, serve } from './server.ts';

const image = readFileSync(fixture('images/rgb.png'));
const redirect =
  (location: string, status = 302): Handler =>
  (_, response) =>
    response.writeHead(status, { location }).end();
const drip: Handler = (_, response) => {
  response.writeHead(200, { 'content-length': '1000' });
  const timer = setInterval(() => response.write('x'), 50);
  response.on('close', () => clearInterval(timer));
};
/** 300 MB of zeros, which a fast compressor makes small. */
const zeros = Buffer.alloc(300_000_000);
const bomb = gzipSync(zeros, { level: 1 });
const packed =
  (encoding: string, body: Buffer): Handler =>
  (_, response) =>
    response.writeHead(200, { 'content-encoding': encoding }).end(body);

const handlers: Record<string, Handler> = {
  '/a.png': (_, response) => response.end(image),
  '/zipped.png': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(image)),
  '/moved': redirect('/a.png', 301),
  '/five': redirect('/four'),
  '/four': redirect('/three'),
  '/three': redirect('/two', 307),
  '/two': redirect('/one', 308),
  '/one': redirect('/a.png', 303),
  '/six': redirect('/five'),
  '/loop': redirect('/loop'),
  '/file': redirect('file:///etc/passwd'),
  '/data': redirect('data:image/png;base64,AAAA'),
  '/ftp': redirect('ftp://127.0.0.1/a.png'),
  '/no-address': redirect('http://'),
  '/private': redirect('http://10.1.2.3/a.png'),
  '/metadata': redirect('http://169.254.169.254/latest/meta-data'),
  '/metadata6': redirect('http://[fe80::1]/a.png'),
  '/mapped': redirect('http://[::ffff:192.168.0.1]/a.png'),
  '/decimal': redirect('http://167772161/a.png'), // 10.0.0.1
  '/octal': redirect('http://012.0.0.1/a.png'),
  '/hexadecimal': redirect('http://0x0a000001/a.png'),
  '/short-form': redirect('http://10.1/a.png'),
  '/mapped6': redirect('http://[::ffff:a00:1]/a.png'),
  '/nat64': redirect('http://[64:ff9b::a00:1]/a.png'),
  '/login-redirect': redirect('http://you:secret@127.0.0.1:1/a.png'),
  '/long': (_, response) => response.writeHead(200, { 'content-length': '200000001' }).write('x'),
  '/gzip-bomb': packed('gzip', bomb),
  '/deflate-bomb': packed('deflate', deflateSync(zeros, { level: 1 })),
  '/br-bomb': packed('br', brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })),
  '/stacked-bomb': packed('gzip, gzip', gzipSync(bomb)),
  '/short': (_, response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('x');
    setTimeout(() => response.destroy(), 20);
  },
  '/silent': () => {},
  '/stall': (_, response) => response.writeHead(200, { 'content-length': '1000' }).write('x'),
  '/drip': drip,
  '/teapot': (_, response) => response.writeHead(418).end('\x1b[31mred'),
};

let server: Loopback;
let proxy: Loopback;
beforeAll(async () => {
  server = await serve(handlers);
  proxy = await proxyTo(server);
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

const limits = { stallMs: 5_000, totalMs: 30_000 };
const online = () => ({ offline: false, proxies: undefined });
const direct = imageFetcher(online, limits);
/** Time limits for a server that is too slow. */
const hasty = imageFetcher(online, { stallMs: 600, totalMs: 1500 });
const url = (path: string) => server.origin + path;

describe('an image by its URL', () => {
  it.each(['/a.png', '/zipped.png', '/moved', '/five', '/a.png?size=[1]*#fragment'])('comes from %s', async (path) => {
    expect(Buffer.compare(await direct(url(path)), image)).toBe(0);
  });

  it('is downloaded with user and password, which are sent to its own host only', async () => {
    const withLogin = url('/moved').replace('//', '//m%c3%a9:p%40s%s@'); // %s is no code
    server.seen.length = 0;
    await direct(withLogin);
    const login = `Basic ${Buffer.from('mé:p@s%s').toString('base64')}`;
    expect(server.seen).toEqual([`/moved ${login}`, `/a.png ${login}`]);
    const other = await serve({ '/': redirect(url('/a.png')) });
    server.seen.length = 0;
    await direct(other.origin.replace('//', '//me:secret@'));
    await other.close();
    expect(other.seen).toEqual([`/ Basic ${Buffer.from('me:secret').toString('base64')}`]);
    expect(server.seen).toEqual(['/a.png']);
  });

  it.each([
    ['/nothing', 'E_URL', /is answered with the status 404; check the address/],
    ['/teapot', 'E_URL', /is answered with the status 418/],
    ['/six', 'E_URL', /is redirected more than 5 times/],
    ['/loop', 'E_URL', /is redirected more than 5 times/],
    ['/file', 'E_URL', /is redirected to "file:\/\/\/etc\/passwd": file: is not allowed/],
    ['/data', 'E_URL', /data: is not allowed/],
    ['/ftp', 'E_URL', /ftp: is not allowed/],
    ['/no-address', 'E_URL', /is redirected to "http:\/\/": it is not an address/],
    ['/private', 'E_URL', /is redirected into a private network, to 10.1.2.3/],
    ['/metadata', 'E_URL', /is redirected into a link-local network, to 169.254.169.254/],
    ['/metadata6', 'E_URL', /link-local network/],
    ['/mapped', 'E_URL', /private network/],
    ['/decimal', 'E_URL', /private network, to 10.0.0.1/],
    ['/octal', 'E_URL', /private network, to 10.0.0.1/],
    ['/hexadecimal', 'E_URL', /private network, to 10.0.0.1/],
    ['/short-form', 'E_URL', /private network, to 10.0.0.1/],
    ['/mapped6', 'E_URL', /private network/],
    ['/nat64', 'E_URL', /translated network/],
    ['/login-redirect', 'E_URL', /cannot be reached/],
    ['/long', 'E_FILE_SIZE', /has 200000001 bytes; the limit is 200000000/],
    ['/gzip-bomb', 'E_FILE_SIZE', /the limit is 200000000/],
    ['/deflate-bomb', 'E_FILE_SIZE', /the limit is 200000000/],
    ['/br-bomb', 'E_FILE_SIZE', /the limit is 200000000/],
    ['/stacked-bomb', 'E_FILE_SIZE', /the limit is 200000000/],
    ['/short', 'E_URL', /ended too early: the connection was closed by the other side/],
    ['/silent', 'E_URL', /sends no data for 0.6 s/],
    ['/stall', 'E_URL', /sends no data for 0.6 s/],
    ['/drip', 'E_URL', /takes longer than 1.5 s/],
  ])('%s is an error', async (path, code, message) => {
    const withLogin = url(path).replace('//', '//me:secret@');
    const start = performance.now();
    const isSlow = /silent|stall|drip/.test(path);
    const failure = await (isSlow ? hasty : direct)(withLogin).catch((error) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(failure.message).toContain(url(path)); // named, but
    expect(failure.message).not.toMatch(/secret|\x1b/);
    if (isSlow) expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('is an error if the URL is invalid or the host does not answer', async () => {
    await expect(direct('http://')).rejects.toMatchObject({
      code: 'E_URL',
      message: 'http:// is not a valid URL; check the URL',
    });
    await expect(direct('http://127.0.0.1:1/a.png')).rejects.toMatchObject({ code: 'E_URL' });
    await expect(direct('http://nothing.invalid/a.png')).rejects.toMatchObject({ code: 'E_URL' });
  });

  it('is not downloaded offline', async () => {
    const offline = imageFetcher(() => ({ offline: true, proxies: undefined }));
    server.seen.length = 0;
    await expect(offline(url('/a.png'))).rejects.toMatchObject({
      code: 'E_URL',
      message: expect.stringMatching(/needs the network; remove `offline`/),
    });
    expect(server.seen).toEqual([]);
  });
});

it('downloads at most so many images at once from each host', async () => {
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  const count = (host: string, by: number) => {
    now.set(host, (now.get(host) ?? 0) + by);
    most.set(host, Math.max(most.get(host) ?? 0, now.get(host) ?? 0));
  };
  const slow = await serve({
    '/': ({ headers }, response) => {
      const host = (headers.host ?? '').replace(/:.*/, '');
      count(host, 1);
      setTimeout(() => {
        count(host, -1);
        response.end(image);
      }, 60);
    },
  });
  const fetchImage = fetcherInto(inMemory, online, limits, false, 2);
  const other = slow.origin.replace('127.0.0.1', 'localhost');
  await Promise.all([slow.origin, other].flatMap((origin) => Array.from({ length: 5 }, () => fetchImage(origin))));
  await slow.close();
  expect([...most].sort()).toEqual([
    ['127.0.0.1', 2],
    ['localhost', 2],
  ]);
});

describe('through a proxy', () => {
  const proxied = () =>
    imageFetcher(() => ({ offline: false, proxies: { httpProxy: proxy.origin, httpsProxy: '', noProxy: '' } }), limits);

  it('every host can be used', async () => {
    expect(Buffer.compare(await proxied()('http://public.invalid/moved'), image)).toBe(0);
    expect(proxy.seen).toContain('public.invalid:80');
  });

  it('a redirect from a public host to a private network is refused, without a request to it', async () => {
    const trap = await serve({ '/': (_, response) => response.end(image) });
    const other = await serve({
      '/in': redirect(trap.origin),
      '/local': redirect(trap.origin.replace('127.0.0.1', 'localhost')),
    });
    const theirs = await proxyTo(other);
    const settings = {
      offline: false,
      proxies: { httpProxy: theirs.origin, httpsProxy: '', noProxy: '127.0.0.1,localhost' },
    };
    for (const path of ['/in', '/local']) {
      const failure = imageFetcher(() => settings, limits)(`http://public.invalid${path}`);
      await expect(failure).rejects.toThrow(/is redirected into a loopback network/);
    }
    expect(trap.seen).toEqual([]);
    for (const one of [theirs, other, trap]) await one.close();
  });
});

describe('addresses', () => {
  it.each([
    ['93.184.216.34', 'public'],
    ['2606:4700::1111', 'public'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.1', 'public'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['fd00::1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['0.0.0.0', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['::', 'reserved'],
    ['64:ff9b::a00:1', 'translated'],
    ['64:ff9b::5db8:d822', 'public'], // NAT64 of 93.184.216.34
    ['::7f00:1', 'translated'], // IPv4-compatible
    ['::ffff:0:7f00:1', 'translated'], // SIIT
    ['2001:0:7f00:1::1', 'translated'], // Teredo
    ['2002:7f00:1::1', 'translated'], // 6to4
    ['2606:4700::5efe:7f00:1', 'translated'], // ISATAP
    ['64:ff9b:1::1', 'translated'],
    ['fe80::1%eth0', 'link-local'],
    ['fec0::1', 'private'],
    ['100::1', 'reserved'], // discard
    ['100:0:0:1::1', 'reserved'], // dummy
    ['4000::1', 'reserved'], // not allocated
    ['224.0.0.1', 'reserved'],
    ['203.0.113.5', 'documentation'],
  ])('%s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
