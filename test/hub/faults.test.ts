import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PullOptions, pullModel } from '../../src/hub/pull.ts';
import { credentials } from '../../src/hub/transport.ts';
import { pinnedFolder } from '../../src/hub/verify.ts';
import { hasty, newHome, read, treeOf } from './cache.ts';
import { type Fault, type LoopbackHub, repository, type Seen, sha256, startHub } from './server.ts';

const REPO = 'acme/clip';
const weights = new Uint8Array(randomBytes(150_000));
const repo = repository(
  new Map([
    ['model.safetensors', weights],
    ['config.json', Buffer.from('{"projection_dim": 512}')],
    ['preprocessor_config.json', Buffer.from('{"size": 224}')],
    ['tokenizer.json', Buffer.from('{"version": "1.0"}')],
  ]),
);

let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
beforeEach(async () => {
  hub = await startHub({ [REPO]: repo });
  home = await newHome(hub.endpoint);
});
afterEach(async () => {
  await hub.close();
  await home.remove();
});

const isWeights = ({ server }: Seen) => server === 'cdn';
const isWeightsOnHub = ({ url }: Seen) => url.endsWith('/model.safetensors');
const isConfig = ({ url }: Seen) => url.endsWith('/config.json');
const isListing = ({ url }: Seen) => url.includes('/revision/');

/** Makes the first `times` requests of a kind fail. */
function break_(which: (seen: Seen) => boolean, fault: Fault | ((seen: Seen) => Fault), times: number): void {
  let left = times;
  hub.fault = (seen) => {
    if (!which(seen) || left-- <= 0) return undefined;
    return typeof fault === 'function' ? fault(seen) : fault;
  };
}
const pull = (options: Partial<PullOptions> = {}) => pullModel(REPO, { env: home.env, retryPolicy: hasty, ...options });
/** The message of the command line for anything that was thrown. */
const failure = () =>
  pull().then(
    () => 'none',
    (error) => `${error.code}: ${error.message}`,
  );
const blob = () => read(join(home.hub, 'models--acme--clip/blobs', sha256(weights)));
const expectWhole = async () => {
  const { pin } = await pull();
  expect(sha256((await read(join(pinnedFolder(pin), 'model.safetensors'))) as Uint8Array)).toBe(sha256(weights));
  expect((await treeOf(home.hub)).filter((path) => /incomplete|\.lock/.test(path))).toEqual([]);
};

/** [the fault, the request, the error if it happens every time; tries] */
const FAULTS: readonly [string, (seen: Seen) => boolean, Fault, RegExp, number][] = [
  ['a body that breaks off', isWeights, { kind: 'short', bytes: 40_000 }, /none/, 5],
  ['a body that breaks off at once', isWeights, { kind: 'short', bytes: 0 }, /E_HUB: cannot reach .*/, 5],
  [
    'an empty body without Content-Length',
    isWeights,
    { kind: 'short-chunked', bytes: 0 },
    /E_HUB: .* ends at byte 0/,
    5,
  ],
  ['a short Content-Length', isWeights, { kind: 'short-length', bytes: 9000 }, /E_HUB: .* comes with 9000 bytes/, 5],
  ['a longer body with Content-Length', isWeights, { kind: 'longer', chunked: false }, /comes with 155000 bytes/, 5],
  [
    'a longer body without it',
    isWeights,
    { kind: 'longer', chunked: true },
    /is larger than the expected 150000 bytes/,
    5,
  ],
  ['HTML with 200', isWeights, { kind: 'html' }, /E_HUB: a web page came instead of acme\/clip\/model/, 1],
  ['an LFS pointer', isWeights, { kind: 'lfs-pointer', chunked: false }, /E_HUB: a Git LFS pointer came/, 1],
  ['an LFS pointer without length', isWeights, { kind: 'lfs-pointer', chunked: true }, /a Git LFS pointer came/, 1],
  [
    'one wrong bit',
    isWeights,
    { kind: 'flipped' },
    /E_CHECKSUM: checksum mismatch .*sha256 .*; clip-classify models pull clip --force/,
    1,
  ],
  [
    'one wrong bit in a small file',
    isConfig,
    { kind: 'flipped' },
    /E_CHECKSUM: checksum mismatch for .*config.json: git-sha1 is/,
    1,
  ],
  ['401', isWeightsOnHub, { kind: 'status', status: 401 }, /E_HUB: .* without a valid token \(401\).*HF_TOKEN/, 1],
  [
    '403',
    isWeightsOnHub,
    { kind: 'status', status: 403 },
    /E_HUB: the Hub refuses access .*\(403\); see http.*\/acme\/clip/,
    1,
  ],
  ['404', isWeightsOnHub, { kind: 'status', status: 404 }, /E_HUB: the Hub has no .*\(404\)/, 1],
  ['429', isWeightsOnHub, { kind: 'status', status: 429 }, /E_HUB: .* 429 .*\(5 tries\); wait some minutes/, 5],
  ['500', isWeights, { kind: 'status', status: 500 }, /E_HUB: 127\.0\.0\.1:\d+ answers 500 .*\(5 tries\)/, 5],
  ['503 for the listing', isListing, { kind: 'status', status: 503 }, /E_HUB: the Hub answers 503 for acme\/clip/, 5],
  ['HTML for the listing', isListing, { kind: 'body', body: '<html>' }, /E_HUB: the Hub's answer .* is not JSON/, 1],
  ['a stall', isWeights, { kind: 'stall', bytes: 0 }, /E_HUB: .* stalls at byte 0 of 150000 \(2 tries\)/, 2],
  ['one byte now and then', isWeights, { kind: 'drip', everyMs: 40 }, /E_HUB: .* stalls at byte \d+ of/, 5],
  [
    'a changed ETag',
    isWeightsOnHub,
    { kind: 'etag', etag: 'a'.repeat(64) },
    /E_HUB: the Hub serves .* its listing says/,
    5,
  ],
  [
    'a redirect without end',
    isWeightsOnHub,
    { kind: 'redirect', to: '/acme/clip/resolve/x/model.safetensors' },
    /redirected more than 10 times/,
    11,
  ],
  ['a redirect to a file', isWeightsOnHub, { kind: 'redirect', to: 'file:///etc/passwd' }, /file: is not allowed/, 1],
  ['a redirect to nowhere', isWeightsOnHub, { kind: 'redirect', to: 'http://[' }, /redirected .*not an address/, 1],
];

describe('a pull with a fault in every request', () => {
  it.each(FAULTS)('%s: a named error, and nothing at the final path', async (_, which, fault, said, tries) => {
    break_(which, fault, Number.POSITIVE_INFINITY);
    if (said.source === 'none') {
      await expectWhole(); // each try downloads a part
    } else {
      expect(await failure()).toMatch(said);
      expect(isConfig === which ? undefined : await blob()).toBeUndefined();
      expect(await treeOf(join(home.folder, 'own'))).toEqual([]);
    }
    const requests = hub.seen.filter(which).length;
    expect(requests).toBeLessThanOrEqual(tries);
    expect(requests).toBeGreaterThan(tries - 2); // a try may break before its request arrives
  });
});

describe('a pull with a fault in one request', () => {
  const passing = FAULTS.filter(([what, , , , tries]) => tries > 1 && !what.startsWith('a redirect'));
  it.each(passing)('%s: the next request downloads the file', async (_, which, fault) => {
    break_(which, fault, 1);
    await expectWhole();
  });

  it.each(FAULTS)('%s: the next pull downloads the file', async (_, which, fault) => {
    break_(which, fault, 5);
    await failure();
    hub.fault = () => undefined;
    await expectWhole();
  });

  it('continues after a connection that stalled, within the time limit', async () => {
    break_(isWeights, { kind: 'stall', bytes: 60_000 }, 1);
    const start = performance.now();
    await expectWhole();
    expect(performance.now() - start).toBeLessThan(hasty.stallMs * 3 + 2000);
    const ranges = hub.seen.filter(isWeights).map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=60000-']);
  });

  it('starts again if the server does not support Range', async () => {
    let requests = 0;
    hub.fault = (seen) => {
      if (!isWeights(seen)) return undefined;
      return requests++ === 0 ? { kind: 'short', bytes: 60_000 } : { kind: 'no-range' };
    };
    await expectWhole();
    expect(hub.seen.filter(isWeights).map(({ sent }) => sent)).toEqual([60_000, 150_000]);
  });

  it('starts again if the rest belongs to another file', async () => {
    let requests = 0;
    hub.fault = (seen) => {
      if (!isWeights(seen)) return undefined;
      return [{ kind: 'short', bytes: 60_000 } as const, { kind: 'flipped' } as const][requests++];
    };
    await expectWhole();
    expect(hub.seen.filter(isWeights).map(({ range }) => range)).toEqual([undefined, 'bytes=60000-', undefined]);
  });

  it('waits as long as Retry-After asks, but not for ever', async () => {
    break_(isWeights, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 1);
    const start = performance.now();
    await expectWhole();
    expect(performance.now() - start).toBeGreaterThan(950);
    await home.remove();
    break_(isWeights, { kind: 'status', status: 503, headers: { 'retry-after': '3600' } }, 1);
    expect(await failure()).toMatch(/E_HUB: .* answers 503 .*; pull again in 3600 seconds/);
  });
});

describe('the token', () => {
  const sentTo = (server: Seen['server']) => hub.seen.filter((seen) => seen.server === server);

  it('is sent to the endpoint only', async () => {
    await pull({ env: { ...home.env, HF_TOKEN: 'hf_secret' } });
    expect(new Set(sentTo('hub').map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_secret']));
    expect(sentTo('cdn').length).toBe(1);
    expect(sentTo('cdn')[0]?.authorization).toBeUndefined();
  });

  it('is not sent if a listing or a small file is redirected to another host', async () => {
    hub.fault = (seen) =>
      seen.server === 'hub' && isConfig(seen) ? { kind: 'redirect', to: `${hub.cdn}/elsewhere` } : undefined;
    await pull({ env: { ...home.env, HF_TOKEN: 'hf_secret' } }).catch(() => {});
    expect(sentTo('cdn').length).toBeGreaterThan(1);
    expect(sentTo('cdn').filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  // A mirror redirects gated files to huggingface.co, which a test cannot reach.
  it.each([
    ['https://huggingface.co/acme/gated/resolve/main/x', 'Bearer hf_secret'],
    ['https://hf.co/acme/gated/resolve/main/x', 'Bearer hf_secret'],
    ['http://huggingface.co/acme/gated/resolve/main/x', undefined],
    ['https://cdn-lfs.huggingface.co/x', undefined],
    ['https://huggingface.co.example.org/x', undefined],
  ])('of a mirror, for %s, is %s', (url, expected) => {
    const token = { value: 'hf_secret', from: 'HF_TOKEN', isFile: false };
    const { authorization } = credentials(
      { endpoint: 'https://mirror.example.org', login: undefined },
      token,
      new URL(url),
    );
    expect(authorization['authorization']).toBe(expected);
  });

  it('is never shown', async () => {
    break_(isListing, { kind: 'status', status: 401 }, 1);
    const refused = await pull({ env: { ...home.env, HF_TOKEN: 'hf_secret' } }).catch((error) => String(error));
    expect(refused).toMatch(/refuses the token of HF_TOKEN/);
    expect(refused).not.toContain('hf_secret');
    await expect(pull({ env: { ...home.env, HF_TOKEN: 'two\nlines' } })).rejects.toThrow(/has characters/);
  });
});
