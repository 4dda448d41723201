import { once } from 'node:events';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CachedRepo } from '../../src/hub/cache.ts';
import { type PullOptions, pullModel } from '../../src/hub/pull.ts';
import { RETRY_POLICY } from '../../src/hub/retry.ts';
import { fixture } from '../paths.ts';
import { hasty, newHome, treeOf } from './cache.ts';
import {
  blobName,
  type Fault,
  type LoopbackHub,
  repositoryOf,
  type Seen,
  sha256,
  startHub,
  startMirror,
} from './server.ts';

/**
 * The answers of huggingface.co, its CDN and its mirrors, from public records of November 2026
 * (huggingface_hub 2.4.0, hub-docs and issues of clients).
 */
const REPO = 'acme/tiny-clip';
const tiny = repositoryOf(fixture('tiny-class'));
const weights = tiny.files.get('model.safetensors') as Uint8Array;
let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
let warnings: string[];
beforeEach(async () => {
  hub = await startHub({ [REPO]: tiny });
  home = await newHome(hub.endpoint);
  warnings = [];
});
afterEach(async () => {
  await hub.close();
  await home.remove();
});

const pull = (env: Record<string, string> = {}, options: Partial<PullOptions> = {}, what = REPO) =>
  pullModel(what, {
    env: { ...home.env, ...env },
    retryPolicy: { ...hasty, longestWaitMs: 5000 },
    onWarning: (warning) => warnings.push(warning),
    ...options,
  });
const failure = (env: Record<string, string> = {}, what = REPO) =>
  pull(env, {}, what).then(
    () => 'pulled',
    (error) => `${error.code}: ${error.message}`,
  );
const isListing = ({ url }: Seen) => url.includes('/revision/');
const isConfig = ({ url }: Seen) => url.includes('/resolve/') && url.endsWith('/config.json');
const isWeights = ({ url }: Seen) => url.endsWith('/model.safetensors');
const token = { HF_TOKEN: 'hf_secret' };

describe('the Hub', () => {
  it.each(['redirect', 'redirect with etag'] as const)('small files: %s to its own cache', async (small) => {
    hub.small = small;
    await pull();
    expect(hub.seen.some(({ url }) => url.startsWith('/api/resolve-cache/'))).toBe(true);
  });

  it('large files: a redirect to the CDN, whose ETag is another hash', async () => {
    const { pin } = await pull();
    expect(pin.files['model.safetensors']?.blob).toBe(sha256(weights));
  });

  it('a renamed repository: a redirect for the listing and for files', async () => {
    hub.renamed.set('old/tiny', REPO);
    const { pin } = await pull({}, {}, 'old/tiny');
    expect(pin.repo).toBe('old/tiny');
  });

  it('a rate limit that ends in 2 seconds: one more request, after 3 seconds', async () => {
    const start = performance.now();
    hub.fault = (seen) =>
      isListing(seen) && performance.now() - start < 2000
        ? { kind: 'status', status: 429, headers: { ratelimit: '"api";r=0;t=2' } }
        : undefined;
    await pull();
    expect(hub.seen.filter(isListing).length).toBe(2);
  });

  it('a rate limit that ends in 4 minutes: no second request, and the error names the seconds', async () => {
    hub.fault = (seen) =>
      isListing(seen) ? { kind: 'status', status: 429, headers: { ratelimit: '"api";r=0;t=240' } } : undefined;
    expect(await failure()).toMatch(/E_HUB: the Hub answers 429 .*; pull again in 241 seconds/);
    expect(hub.seen.length).toBe(1);
  });

  it('a gated repository, without a token', async () => {
    hub.fault = (seen) =>
      isListing(seen) ? undefined : { kind: 'status', status: 401, headers: { 'x-error-code': 'GatedRepo' } };
    expect(await failure()).toMatch(
      /E_HUB: .* is gated.*; accept the terms on http.*\/acme\/tiny-clip, then set HF_TOKEN/,
    );
  });

  it('a gated repository, with a token that has no access', async () => {
    const message = `Access is restricted. Visit https://huggingface.co/${REPO} to ask for access.\u0007 hf_secret`;
    const headers = { 'x-error-code': 'GatedRepo', 'x-error-message': encodeURI(message).replaceAll('%20', ' ') };
    hub.fault = (seen) => (isListing(seen) ? undefined : { kind: 'status', status: 403, headers });
    const said = await failure(token);
    expect(said).toMatch(
      /is gated, and the token of HF_TOKEN has no access: Access is restricted\..*; ask for access on/,
    );
    expect(said).not.toContain('hf_secret');
  });

  it('an outdated token file: it continues without the token, and warns', async () => {
    const file = join(home.folder, 'hf', 'token');
    await mkdir(join(home.folder, 'hf'), { recursive: true });
    await writeFile(file, 'hf_of_long_ago');
    const message = 'Invalid credentials in Authorization header';
    hub.fault = ({ authorization }) =>
      authorization === undefined
        ? undefined
        : { kind: 'status', status: 401, headers: { 'x-error-message': message } };
    await pull();
    expect(warnings).toEqual([`the Hub refuses the token in ${file}; continuing without a token`]);
    expect(await failure({ ...token, CLIP_CLASSIFY_CACHE: join(home.folder, 'other') })).toMatch(
      /E_HUB: the Hub refuses the token of HF_TOKEN \(401: Invalid credentials.*; correct or remove HF_TOKEN/,
    );
  });

  it.each([true, false])('a small file that is sent compressed, with its compressed length: %s', async (length) => {
    hub.fault = (seen) => (isConfig(seen) ? { kind: 'gzip', length } : undefined);
    await pull();
    expect(hub.seen.filter(isConfig).length).toBe(1);
  });

  it('no such revision', async () => {
    expect(await failure({}, `${REPO}@v9`)).toMatch(/E_HUB: the Hub has no such revision: acme\/tiny-clip@v9 \(404\)/);
  });

  it('no such repository, or a private one', async () => {
    expect(await failure({}, 'acme/nothing')).toMatch(
      /E_HUB: the Hub shows no acme\/nothing without a valid token \(401\); check the name; .* HF_TOKEN/,
    );
  });

  it('a failure of the first request only', async () => {
    let left = 1;
    hub.fault = (seen) => (isWeights(seen) && left-- > 0 ? { kind: 'status', status: 503 } : undefined);
    const troubles: string[] = [];
    await pull({}, { onTrouble: (trouble) => trouble.kind === 'retry' && troubles.push(trouble.fact) });
    expect(troubles).toEqual([`the Hub answers 503 for ${REPO}/model.safetensors`]);
  });

  it('a late first byte, within the time of HF_HUB_DOWNLOAD_TIMEOUT', async () => {
    hub.fault = (seen) => (isConfig(seen) ? { kind: 'late', ms: hasty.stallMs * 2 } : undefined);
    await pull({ HF_HUB_DOWNLOAD_TIMEOUT: '20' });
    expect(hub.seen.filter(isConfig).length).toBe(1);
    expect(RETRY_POLICY.stallMs * 2 + RETRY_POLICY.backoffMs).toBeLessThan(65_000); // when a second stall ends a download
  });
});

describe('the CDN', () => {
  const isCdn = ({ server }: Seen) => server === 'cdn';

  it('refuses: the error names its host, and no licence terms', async () => {
    hub.fault = (seen) => (isCdn(seen) ? { kind: 'status', status: 403 } : undefined);
    const said = await failure();
    expect(said).toContain(
      `E_HUB: ${new URL(hub.cdn).host} refuses ${REPO}/model.safetensors (403); check that a firewall`,
    );
    expect(said).not.toMatch(/terms|token/);
  });

  it('closes the connection in the middle: the download continues at a new address', async () => {
    let left = 1;
    hub.fault = (seen) => (isCdn(seen) && left-- > 0 ? { kind: 'short', bytes: weights.length >> 1 } : undefined);
    const { pin } = await pull();
    const asked = hub.seen.filter(isCdn);
    expect(asked.map(({ range }) => range)).toEqual([undefined, `bytes=${weights.length >> 1}-`]);
    expect(new Set(asked.map(({ url }) => url)).size).toBe(2);
    expect(pin.files['model.safetensors']?.sha256).toBe(sha256(weights));
  });
});

it('a compressed answer to a request for the rest of a file: the file starts again from its first byte', async () => {
  const answers: Fault[] = [
    { kind: 'short', bytes: weights.length >> 1 },
    { kind: 'gzip', length: true },
  ];
  hub.fault = ({ server }) => (server === 'cdn' ? answers.shift() : undefined);
  const { pin } = await pull();
  expect(hub.seen.filter(({ server }) => server === 'cdn').map(({ range }) => range !== undefined)).toEqual([
    false,
    true,
  ]);
  expect(pin.files['model.safetensors']?.sha256).toBe(sha256(weights));
});

describe('a mirror', () => {
  it('follows the redirect itself: the ETag of the CDN does not refuse the file', async () => {
    hub.large = 'direct';
    const { pin } = await pull();
    expect(pin.files['model.safetensors']?.sha256).toBe(sha256(weights));
  });

  it('has neither tree nor sizes, redirects small files, and its CDN refuses HEAD', async () => {
    hub.blobs = false;
    hub.small = 'redirect';
    hub.fault = ({ server, method, url }) => {
      if (url.includes('/tree/')) return { kind: 'status', status: 404 };
      return server === 'cdn' && method === 'HEAD' ? { kind: 'status', status: 403 } : undefined;
    };
    const { pin } = await pull();
    expect(Object.keys(pin.files).length).toBe(tiny.files.size);
    expect(hub.seen.filter(({ server, method }) => server === 'cdn' && method === 'HEAD')).toEqual([]);
  });

  it('sends small files without a length: their bytes are counted', async () => {
    hub.blobs = false;
    hub.fault = (seen) => {
      if (seen.url.includes('/tree/')) return { kind: 'status', status: 404 };
      return isConfig(seen) ? { kind: 'gzip', length: false } : undefined;
    };
    const { pin } = await pull();
    expect(pin.files['config.json']?.size).toBe(tiny.files.get('config.json')?.length);
  });

  it('is asked in place of the Hub, with HF_ENDPOINT', async () => {
    const second = await startHub({ [REPO]: tiny });
    try {
      const { pin } = await pull({ HF_ENDPOINT: `${second.endpoint}/` });
      expect(pin.files['model.safetensors']?.sha256).toBe(sha256(weights));
      expect(second.seen.length).toBeGreaterThan(tiny.files.size);
      expect(hub.seen).toEqual([]);
    } finally {
      await second.close();
    }
  });

  it('redirects every request to the Hub, which does not get the token of the mirror', async () => {
    const mirror = await startMirror(hub);
    try {
      await pull({ ...token, HF_ENDPOINT: mirror.endpoint });
    } finally {
      await mirror.close();
    }
    expect(hub.seen.length).toBeGreaterThan(tiny.files.size);
    expect(hub.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  it('requires the user and password of HF_ENDPOINT, and no message shows them', async () => {
    const { host } = new URL(hub.endpoint);
    await pull({ HF_ENDPOINT: `http://me:p%40ss@${host}` });
    expect(
      new Set(hub.seen.filter(({ server }) => server === 'hub').map(({ authorization }) => authorization)),
    ).toEqual(new Set([`Basic ${btoa('me:p@ss')}`]));
    expect(hub.seen.filter(({ server }) => server === 'cdn')[0]?.authorization).toBeUndefined();
    const said = await failure(
      { HF_ENDPOINT: 'http://me:p%40ss@127.0.0.1:1', HF_HUB_CACHE: join(home.folder, 'x') },
      'a/b',
    );
    expect(said).toMatch(/E_HUB: cannot reach 127\.0\.0\.1:1: /);
  });
});

it('names NODE_EXTRA_CA_CERTS if the certificate of the endpoint is not trusted, and tries once', async () => {
  const pem = await readFile(fixture('self-signed.pem'));
  const server = createServer({ key: pem, cert: pem }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let connections = 0;
  server.on('connection', () => connections++);
  const said = await failure({ HF_ENDPOINT: `https://127.0.0.1:${port}` });
  server.close();
  expect(said).toMatch(/E_HUB: cannot reach 127\.0\.0\.1:\d+: DEPTH_ZERO_SELF_SIGNED_CERT; .*set NODE_EXTRA_CA_CERTS/);
  expect(connections).toBe(1);
});

describe("the Hub's cache without links", () => {
  const snapshot = () => join(home.hub, 'models--acme--tiny-clip/snapshots', tiny.commit);

  it('is used offline: the snapshot contains the files themselves', async () => {
    await cp(fixture('tiny-class'), snapshot(), { recursive: true });
    await mkdir(join(home.hub, 'models--acme--tiny-clip/refs'), { recursive: true });
    await writeFile(join(home.hub, 'models--acme--tiny-clip/refs/main'), tiny.commit);
    const { pin } = await pull({}, { offline: true });
    expect(pin.files['model.safetensors']?.sha256).toBe(sha256(weights));
    expect(hub.seen).toEqual([]);
    await writeFile(join(snapshot(), 'config.json'), 'damaged');
    expect(await failure({ HF_HUB_OFFLINE: '1' })).toMatch(/E_CHECKSUM: .*config\.json.*--force/);
    expect((await pull()).fetched).toBe(tiny.files.get('config.json')?.length);
  });

  it('is written with HF_HUB_DISABLE_SYMLINKS', async () => {
    await pull({ HF_HUB_DISABLE_SYMLINKS: '1' });
    const files = [...tiny.files.keys()].map((path) => `models--acme--tiny-clip/snapshots/${tiny.commit}/${path}`);
    expect(await treeOf(home.hub)).toEqual([...files, 'models--acme--tiny-clip/refs/main'].sort());
  });

  it('keeps files that another repository links to when a model is removed', async () => {
    await pull();
    const pool = join(home.hub, 'blobs', 'ab');
    await mkdir(pool, { recursive: true });
    const repo = new CachedRepo(home.hub, REPO);
    const other = new CachedRepo(home.hub, 'acme/other');
    const blob = blobName(weights);
    await writeFile(join(pool, 'shared'), weights);
    for (const { blobs } of [repo, other]) {
      await mkdir(blobs, { recursive: true });
      await rm(join(blobs, blob), { force: true });
      await symlink('../../blobs/ab/shared', join(blobs, blob));
    }
    await mkdir(join(repo.folder, '.no_exist', tiny.commit), { recursive: true });
    await writeFile(join(repo.folder, '.no_exist', tiny.commit, 'adapter_config.json'), '');
    await mkdir(join(repo.folder, 'trees'));
    await writeFile(join(repo.folder, 'trees', `${tiny.commit}.json`), '[]');
    await repo.remove(tiny.commit, [...tiny.files.keys()]);
    expect(await treeOf(home.hub)).toEqual([
      'blobs/ab/shared',
      `models--acme--other/blobs/${blob} -> ../../blobs/ab/shared`,
    ]);
    await other.place(tiny.commit, 'model.safetensors', blob, { links: true, isNew: false });
    await other.remove(tiny.commit, ['model.safetensors']);
    expect(await treeOf(home.hub)).toEqual([]);
  });
});
