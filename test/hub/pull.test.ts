import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPins } from '../../src/hub/pins.ts';
import { findCard } from '../../src/hub/registry.ts';
import { cli } from '../cli/io.ts';
import { fixture } from '../paths.ts';
import { newHome, treeOf } from './cache.ts';
import {
  blobName,
  gitSha1,
  isLfs,
  type LoopbackHub,
  type Repository,
  repository,
  repositoryOf,
  startHub,
} from './server.ts';

const TINY = 'acme/tiny-clip';
const tiny = repositoryOf(fixture('tiny-class'), {
  'README.md': 'not needed',
  'pytorch_model.bin': 'a pickle, not needed',
  'tokenizer_config.json': '{}',
});
const PULLED = [
  'config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
beforeEach(async () => {
  hub = await startHub({ [TINY]: tiny });
  home = await newHome(hub.endpoint);
});
afterEach(async () => {
  await hub.close();
  await home.remove();
});
const bytesOf = (path: string) => tiny.files.get(path) as Uint8Array;
/** A repository as the first source of a card, at the commit of the card. */
const atCard = async (name: string, { files }: Repository): Promise<[string, Repository]> => {
  const [source] = (await findCard(name))?.sources ?? [];
  return [source?.repo ?? '', repository(files, source?.revision === 'main' ? {} : { commit: source?.revision ?? '' })];
};
const run = (...argv: string[]) => cli(argv, { env: home.env });

describe('models pull', () => {
  it('downloads a repository that gives the same scores as the folder', async () => {
    const { code, stdout, stderr } = await run('models', 'pull', TINY);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`tiny-clip: ${TINY} at ${tiny.commit.slice(0, 12)}, 0.3 MB downloaded`);
    const args = [fixture('images/rgb.png'), '-l', 'cat,dog', '-f', 'json'];
    const byFolder = JSON.parse((await run(...args, '-m', fixture('tiny-class'))).stdout);
    for (const name of ['tiny-clip', TINY, `${TINY}@main`]) {
      const byName = JSON.parse((await run(...args, '-m', name)).stdout);
      expect(byName.results[0].labels).toEqual(byFolder.results[0].labels);
      expect(byName.model).toBe('tiny-clip');
    }
  });

  it('writes the cache in the layout of huggingface_hub', async () => {
    await run('models', 'pull', TINY);
    const repo = 'models--acme--tiny-clip';
    expect(await treeOf(home.hub)).toEqual(
      [
        ...PULLED.map((path) => `${repo}/blobs/${blobName(bytesOf(path))}`),
        `${repo}/refs/main`,
        ...PULLED.map((path) => `${repo}/snapshots/${tiny.commit}/${path} -> ../../blobs/${blobName(bytesOf(path))}`),
      ].sort(),
    );
    expect(await readFile(join(home.hub, repo, 'refs/main'), 'utf8')).toBe(tiny.commit);
    expect(blobName(bytesOf('config.json'))).toMatch(/^[0-9a-f]{40}$/);
    expect(blobName(bytesOf('model.safetensors'))).toMatch(/^[0-9a-f]{64}$/);
  });

  it('lists the repository first, and downloads each file once', async () => {
    await run('models', 'pull', TINY);
    expect(hub.seen[0]?.url).toBe(`/api/models/${TINY}/revision/main?blobs=true`);
    const files = hub.seen.slice(1).filter(({ server }) => server === 'hub');
    expect(files.map(({ url }) => url).sort()).toEqual(PULLED.map((path) => `/${TINY}/resolve/${tiny.commit}/${path}`));
  });

  it('lists with --dry-run what it would download, from where and with which checksum, and downloads nothing', async () => {
    const { stdout } = await run('models', 'pull', TINY, '--dry-run', '--json');
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ repo: TINY, revision: 'main', commit: tiny.commit });
    expect(plan.files.sort((a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1))).toEqual(
      PULLED.map((path) => ({
        path,
        size: bytesOf(path).length,
        digest: isLfs(bytesOf(path)) ? blobName(bytesOf(path)) : gitSha1(bytesOf(path)),
        cached: false,
        url: `${hub.endpoint}/${TINY}/resolve/${tiny.commit}/${path}`,
      })),
    );
    expect(plan.download).toBe(PULLED.reduce((sum, path) => sum + bytesOf(path).length, 0));
    const { stdout: text } = await run('models', 'pull', TINY, '--dry-run');
    expect(text).toMatch(/^model\.safetensors +\d+ bytes +sha256 [0-9a-f]{64} +http.*\/resolve\//m);
    expect(text).toMatch(/^config\.json +\d+ bytes +git-sha1 [0-9a-f]{40} +http/m);
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/'))).toEqual([]);
    expect(await treeOf(home.hub)).toEqual([]);
    await run('models', 'pull', TINY);
    expect((await run('models', 'pull', TINY, '--dry-run')).stdout).toMatch(/0\.0 MB to download.*in the cache/su);
  });

  it('opens no connection if the model is downloaded, and works offline', async () => {
    await run('models', 'pull', TINY);
    hub.seen.length = 0;
    for (const offline of [{}, { HF_HUB_OFFLINE: '1' }, { TRANSFORMERS_OFFLINE: 'yes' }]) {
      const env = { ...home.env, ...offline };
      expect((await cli(['models', 'pull', TINY], { env })).stdout).toContain('already downloaded');
      expect((await cli([fixture('images/rgb.png'), '-l', 'a,b', '-m', 'tiny-clip'], { env })).code).toBe(0);
      expect((await cli(['models', 'verify'], { env })).code).toBe(0);
    }
    expect(hub.seen).toEqual([]);
  });

  it('reuses files that Python downloaded: no file again, and no request offline', async () => {
    const repo = join(home.hub, 'models--acme--tiny-clip');
    const snapshot = join(repo, 'snapshots', tiny.commit);
    for (const folder of ['blobs', 'refs', `snapshots/${tiny.commit}`])
      await mkdir(join(repo, folder), { recursive: true });
    await writeFile(join(repo, 'refs/main'), tiny.commit);
    for (const path of PULLED) {
      await writeFile(join(repo, 'blobs', blobName(bytesOf(path))), bytesOf(path));
      await symlink(`../../blobs/${blobName(bytesOf(path))}`, join(snapshot, path));
    }
    expect((await run('models', 'pull', TINY, '--offline')).code).toBe(0);
    expect(hub.seen).toEqual([]);
    await run('models', 'rm', 'tiny-clip');
    expect(await treeOf(home.hub)).toEqual([]);
  });

  it.each(['--offline', 'HF_HUB_OFFLINE'])('%s forbids what is not cached', async (how) => {
    const env = { ...home.env, ...(how === '--offline' ? {} : { [how]: '1' }) };
    const argv = ['models', 'pull', TINY, ...(how === '--offline' ? [how] : [])];
    const { code, stderr } = await cli(argv, { env });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_OFFLINE: acme\/tiny-clip is not in .*; pull the model without/),
    ]);
    expect(hub.seen).toEqual([]);
  });

  it('names the command to pull a known model', async () => {
    for (const name of ['ViT-B/32', 'openai/clip-vit-base-patch32', 'clip-vit-b-32']) {
      const { code, stderr } = await run(fixture('images/rgb.png'), '-l', 'a,b', '-m', name);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/E_MODEL: .* is not downloaded; run clip-classify models pull clip-vit-b-32/),
      ]);
    }
    expect(hub.seen).toEqual([]);
  });

  it('uses the next source of a card if the first has only a pickle', async () => {
    const pickle = new Map([['pytorch_model.bin', Buffer.from('cos\nsystem')]]);
    hub.repositories.set(...(await atCard('ViT-B/16', repository(pickle))));
    hub.repositories.set('Xenova/clip-vit-base-patch16', tiny);
    const { code, stdout, stderr } = await run('models', 'pull', 'ViT-B/16', '--json');
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /warning: the repository of clip-vit-b-16 says size 32, its model card 224: the repository/,
      ),
    ]);
    expect(stderr).not.toMatch(/says (fit|mean|std|interpolation)/);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'clip-vit-b-16', repo: 'Xenova/clip-vit-base-patch16' });
    expect(hub.seen.filter(({ url }) => url.includes('pytorch_model'))).toEqual([]);
    expect((await run(fixture('images/rgb.png'), '-l', 'a,b', '-m', 'ViT-B-16')).code).toBe(0);
  });

  it('uses the next source of a card if the first refuses its files, and says so', async () => {
    const [first, listed] = await atCard('ViT-B/16', tiny);
    hub.repositories.set(first, listed);
    hub.repositories.set('Xenova/clip-vit-base-patch16', tiny);
    hub.fault = ({ url }) =>
      url.startsWith(`/${first}/resolve/`)
        ? { kind: 'status', status: 403, headers: { 'x-error-message': 'Access to this resource is disabled.' } }
        : undefined;
    const { code, stdout, stderr } = await run('models', 'pull', 'ViT-B/16', '--json');
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/warning: .*Access to this resource is disabled.*; trying Xenova\/clip-vit-base-patch16/),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ name: 'clip-vit-b-16', repo: 'Xenova/clip-vit-base-patch16' });
  });

  it('refuses a large file that differs from a confirmed checksum of the card, before it is downloaded', async () => {
    hub.repositories.set(...(await atCard('ViT-L/14', tiny)));
    const { code, stderr } = await run('models', 'pull', 'ViT-L/14');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CHECKSUM: .*model\.safetensors has sha256 .* its model card has a2bf730a/),
    ]);
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/'))).toEqual([]);
  });

  it('refuses a small file with another checksum, although the Hub has no sha256 for it; nothing is recorded', async () => {
    const openClip = repositoryOf(fixture('tiny-open-clip'));
    const files = new Map(openClip.files).set(
      'open_clip_pytorch_model.safetensors',
      openClip.files.get('open_clip_model.safetensors') as Uint8Array,
    );
    files.delete('open_clip_model.safetensors');
    files.set('open_clip_config.json', Buffer.alloc(604, 32));
    hub.repositories.set(...(await atCard('laion2b-vit-b-32', repository(files))));
    const { code, stderr } = await run('models', 'pull', 'laion2b-vit-b-32');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CHECKSUM: .*open_clip_config\.json has sha256 .* card has 4302a891/),
    ]);
    expect(await readPins(home.env)).toEqual(new Map());
  });

  it('warns if a checksum differs from an unconfirmed value', async () => {
    hub.repositories.set(...(await atCard('laion2b-vit-b-32', tiny)));
    const { code, stderr } = await run('models', 'pull', 'laion2b-vit-b-32');
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/warning: .*model\.safetensors has sha256 .*unverified, so the Hub's/),
    ]);
  });

  it('downloads the weights of a pull request by its revision', async () => {
    const openClip = repositoryOf(fixture('tiny-open-clip'));
    const files = new Map(openClip.files);
    files.set('open_clip_pytorch_model.safetensors', files.get('open_clip_model.safetensors') as Uint8Array);
    files.delete('open_clip_model.safetensors');
    const repo = repository(files, { branch: 'refs/pr/2' });
    hub.repositories.set('acme/converted', repo);
    const { code, stderr } = await run('models', 'pull', 'acme/converted@refs/pr/2');
    expect([code, stderr]).toEqual([0, '']);
    expect(hub.seen[0]?.url).toBe('/api/models/acme/converted/revision/refs%2Fpr%2F2?blobs=true');
    expect(await readFile(join(home.hub, 'models--acme--converted/refs/refs/pr/2'), 'utf8')).toBe(repo.commit);
    expect((await run(fixture('images/rgb.png'), '-l', 'a,b', '-m', 'converted')).code).toBe(0);
  });

  it('never downloads a pickle: the error names it and the next step', async () => {
    hub.repositories.set('acme/pickled', repository(new Map([['pytorch_model.bin', Buffer.from('cos\nsystem')]])));
    const { code, stderr } = await run('models', 'pull', 'acme/pickled');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_MODEL: acme\/pickled has its weights only as a pickle \(pytorch_model.bin\).*refs\/pr/),
    ]);
    expect(hub.seen.map(({ url }) => url)).toEqual(['/api/models/acme/pickled/revision/main?blobs=true']);
  });

  it('stays at the recorded commit, and downloads only damaged files', async () => {
    await run('models', 'pull', TINY);
    const config = join(home.hub, 'models--acme--tiny-clip/blobs', gitSha1(bytesOf('config.json')));
    await writeFile(config, 'damaged');
    hub.seen.length = 0;
    const { code, stdout } = await run('models', 'pull', TINY, '--json');
    expect([code, JSON.parse(stdout).fetched]).toEqual([0, bytesOf('config.json').length]);
    expect(hub.seen.map(({ url }) => url)).toContain(`/api/models/${TINY}/revision/${tiny.commit}?blobs=true`);
    expect(await readFile(config)).toEqual(Buffer.from(bytesOf('config.json')));
    expect((await run('models', 'verify')).code).toBe(0);
  });

  it('works with a mirror without a tree: the headers of each file have its size and digest', async () => {
    hub.blobs = false;
    hub.fault = ({ url }) => (url.includes('/tree/') ? { kind: 'status', status: 404 } : undefined);
    expect((await run('models', 'pull', TINY)).code).toBe(0);
    expect(hub.seen.filter(({ method, server }) => method === 'HEAD' && server === 'hub').length).toBe(PULLED.length);
    expect((await run('models', 'verify')).code).toBe(0);
  });

  it('reads a listing of more than one page, and follows no page to another host', async () => {
    const page = (path: string) => {
      const body = bytesOf(path);
      const lfs = isLfs(body) && { lfs: { oid: blobName(body), size: body.length } };
      return { type: 'file', path, oid: gitSha1(body), size: body.length, ...lfs };
    };
    hub.blobs = false;
    const next = (to: string) => ({ link: `<${to}>; rel="next"` });
    hub.fault = ({ url }) => {
      const cursor = /cursor=(\d)/.exec(url)?.[1];
      if (!url.includes('/tree/')) return undefined;
      const [first, ...others] = PULLED.map(page);
      if (cursor === undefined)
        return { kind: 'body', body: JSON.stringify([first]), headers: next(`${hub.endpoint}${url}&cursor=2`) };
      return { kind: 'body', body: JSON.stringify(others), headers: next(`${hub.cdn}/tree/`) };
    };
    expect((await run('models', 'pull', TINY)).code).toBe(0);
    expect(hub.seen.filter(({ url, method }) => url.includes('/tree/') || method === 'HEAD').length).toBe(2);
  });

  it('shows the progress on a terminal, and removes the line at the end', async () => {
    hub.fault = ({ server }) => (server === 'cdn' ? { kind: 'slow', bytes: 50_000, everyMs: 60 } : undefined);
    const { stderr } = await cli(['models', 'pull', TINY], { env: home.env, tty: true });
    expect(stderr).toMatch(/model\.safetensors 0\.\d\/0\.3 MB, \d+\.\d MB\/s/);
    expect(stderr.endsWith('\r\x1b[2K')).toBe(true);
    await run('models', 'rm', 'tiny-clip');
    expect((await cli(['models', 'pull', TINY, '--quiet'], { env: home.env, tty: true })).stderr).toBe('');
  });
});
