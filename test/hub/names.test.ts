import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pullModel } from '../../src/hub/pull.ts';
import { cli } from '../cli/io.ts';
import { random } from '../image/random.ts';
import { hasty, newHome, treeOf } from './cache.ts';
import { type LoopbackHub, startHub } from './server.ts';

let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
beforeEach(async () => {
  hub = await startHub();
  home = await newHome(hub.endpoint);
});
afterEach(async () => {
  await hub.close();
  await home.remove();
});

const LONG = 'a'.repeat(300);
const COMMIT = 'c'.repeat(40);
const failure = (what: string) =>
  pullModel(what, { env: home.env, retryPolicy: hasty }).then(
    () => 'none',
    (error) => `${error.code}: ${error.message}`,
  );

describe('a name that leads out of its folder', () => {
  it.each([
    '../x',
    'x/..',
    './x',
    '/etc/passwd',
    'a/b/c',
    'a\\b/c',
    'C:/x',
    'a/b\0',
    'a/%2e%2e',
    '%2e%2e/a',
    'a/b..c',
    'a/b--c',
    `a/${LONG}`,
    'a/.b',
    'a/b.git',
    'a/-b',
    'a/b@',
    'a/b@..',
    'a/b@../../x',
    'a/b@/etc',
    'a/b@x/%2e%2e',
    'a/b@x\\y',
    'a/b@x\0y',
    `a/b@${LONG}`,
    'a/b@C:x',
    'a/b@x//y',
  ])('%j is refused as a repository, before any request', async (what) => {
    expect(await failure(what)).toMatch(/^E_(USAGE|MODEL): /);
    expect(hub.seen).toEqual([]);
    expect(await treeOf(home.folder)).toEqual([]);
  });

  it.each([
    '../x',
    'a/../../x',
    '/etc/passwd',
    'a//b',
    './a',
    'a\\..\\b',
    'C:\\x',
    'a\0b',
    '%2e%2e/x',
    'a/%2E%2E/b',
    'x%00',
    'x%5c..%5cy',
    '',
    'a\nb',
  ])('%j is refused as a file of a listing', async (rfilename) => {
    const siblings = [...['model.safetensors', 'config.json', rfilename]].map((name) => ({ rfilename: name }));
    const body = JSON.stringify({ sha: COMMIT, siblings });
    hub.fault = ({ url }) => (url.includes('/revision/') ? { kind: 'body', body } : undefined);
    expect(await failure('acme/clip')).toMatch(/^E_HUB: the Hub lists a file called .* in acme\/clip: refused/);
    expect(await treeOf(home.folder)).toEqual([]);
  });

  it.each(['C:x', LONG])('%j is ignored if nothing needs it', async (rfilename) => {
    const body = JSON.stringify({ sha: COMMIT, siblings: [{ rfilename: 'config.json' }, { rfilename }] });
    hub.fault = ({ url }) => (url.includes('/revision/') ? { kind: 'body', body } : undefined);
    expect(await failure('acme/clip')).toMatch(/^E_MODEL: acme\/clip contains no suppor/);
  });

  it.each(['../../x', 'main', '', 'C'.repeat(40), `${COMMIT}/..`])('%j is refused as a commit', async (sha) => {
    const body = JSON.stringify({ sha, siblings: [{ rfilename: 'model.safetensors' }] });
    hub.fault = ({ url }) => (url.includes('/revision/') ? { kind: 'body', body } : undefined);
    expect(await failure('acme/clip')).toMatch(/^E_HUB: the Hub's answer for acme\/clip has no commit/);
    expect(await treeOf(home.folder)).toEqual([]);
  });

  it.each(['../../x', 'x', `${COMMIT}/../x`])('%j is never taken as the name of a blob', async (oid) => {
    const files = ['model.safetensors', 'config.json', 'preprocessor_config.json', 'tokenizer.json'];
    const siblings = files.map((rfilename) => ({ rfilename }));
    const tree = files.map((path) => ({ type: 'file', path, oid, size: 1 }));
    hub.fault = ({ url }) => {
      if (url.includes('/revision/')) return { kind: 'body', body: JSON.stringify({ sha: COMMIT, siblings }) };
      if (url.includes('/tree/')) return { kind: 'body', body: JSON.stringify(tree) };
      return { kind: 'body', body: 'x', headers: { etag: `"${oid}"` } };
    };
    expect(await failure('acme/clip')).toMatch(/^E_HUB: the Hub does not tell the size and checksum of acme\/clip/);
    expect(await treeOf(home.folder)).toEqual([]);
  });

  it('is refused in the lock file too', async () => {
    const own = join(home.folder, 'own');
    await cli(['models', 'use', 'starter'], { env: home.env });
    const file = { size: 1, sha256: 'a'.repeat(64), blob: 'b', stamp: '' };
    const pin = { repo: 'a/b', revision: 'main', commit: COMMIT, layout: 'safetensors', cache: home.hub };
    const lock = { version: 1, models: { x: { ...pin, files: { '../../../etc/passwd': file } } } };
    await writeFile(join(own, 'hub.lock.json'), JSON.stringify(lock));
    const { code, stderr } = await cli(['models', 'rm', 'x'], { env: home.env });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CACHE: .*hub\.lock\.json is damaged: the entry of x is not valid/),
    ]);
  });
});

it('1,000 dangerous names of repositories, revisions or files in a listing write nothing', async () => {
  const next = random(30);
  const parts = [
    '..',
    '.',
    '/',
    '//',
    '\\',
    '\0',
    '%2e%2e',
    '%2F',
    '%00',
    'C:',
    '~',
    'a',
    'é',
    '\u202e',
    '\n',
    ' ',
    '@',
    LONG,
  ];
  for (let n = 0; n < 1000; n++) {
    const name = Array.from({ length: 1 + (next() % 6) }, () => parts[next() % parts.length]).join('');
    const body = JSON.stringify({ sha: COMMIT, siblings: [{ rfilename: 'model.safetensors' }, { rfilename: name }] });
    hub.fault = ({ url }) => (url.includes('/revision/') ? { kind: 'body', body } : { kind: 'status', status: 404 });
    const what = [name, `acme/clip@${name}`, 'acme/clip'][n % 3] as string;
    expect(await failure(what)).toMatch(/^E_(USAGE|MODEL|HUB): /);
  }
  expect(await treeOf(home.folder)).toEqual([]);
}, 60_000);
