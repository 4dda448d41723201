import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli } from '../cli/io.ts';
import { fixture } from '../paths.ts';
import { newHome, treeOf } from './cache.ts';
import { type LoopbackHub, repositoryOf, startHub } from './server.ts';

const TINY = 'acme/tiny-clip';
const tiny = repositoryOf(fixture('tiny-class'));
const TINY_BYTES = [...tiny.files.values()].reduce((sum, { length }) => sum + length, 0);
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
const run = (...argv: string[]) => cli(argv, { env: home.env });
const json = async (...argv: string[]) => JSON.parse((await run('models', ...argv, '--json')).stdout);
const modelOf = async (env: Record<string, string> = {}) => {
  const { stdout } = await cli([fixture('images/rgb.png'), '-l', 'a,b'], { env: { ...home.env, ...env } });
  return JSON.parse(stdout).model;
};

describe('models list', () => {
  it('distinguishes downloaded models from known ones', async () => {
    await run('models', 'import', fixture('tiny-class'), '--name', 'mine');
    await run('models', 'pull', TINY);
    const models = await json('list');
    const byName = new Map(models.map((model: { name: string }) => [model.name, model]));
    expect(byName.get('starter')).toMatchObject({ state: 'built-in', default: true });
    expect(byName.get('mine')).toMatchObject({ state: 'imported', default: false });
    expect(byName.get('tiny-clip')).toMatchObject({ state: 'pulled', repo: TINY, size: TINY_BYTES });
    expect(byName.get('siglip-b-16')).toMatchObject({ state: 'known', card: { scoring: { kind: 'sigmoid' } } });
    expect(models.length).toBe(3 + 20);
  });
});

describe('models use', () => {
  it('sets the default model; the variable and --model have priority', async () => {
    await run('models', 'pull', TINY);
    expect(await run('models', 'use', TINY)).toMatchObject({ code: 0, stdout: 'tiny-clip is now the default model\n' });
    expect(await modelOf()).toBe('tiny-clip');
    expect(await modelOf({ CLIP_CLASSIFY_MODEL: fixture('tiny-gelu-f16') })).toBe('tiny-gelu-f16');
    expect(await json('use', fixture('tiny-class'))).toEqual({ default: 'tiny-class', folder: fixture('tiny-class') });
    expect(await modelOf()).toBe('tiny-class');
    await run('models', 'use', 'starter');
    expect((await json('list'))[0]).toMatchObject({ name: 'starter', default: true });
  });

  it('refuses a model that is not here, and downloads nothing', async () => {
    const { code, stderr } = await run('models', 'use', 'ViT-L/14');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_MODEL: .*clip-classify models pull clip-vit-l-14/)]);
    expect(hub.seen).toEqual([]);
  });
});

describe('models path', () => {
  it('prints the folder of the files', async () => {
    await run('models', 'pull', TINY);
    const { stdout } = await run('models', 'path', 'tiny-clip');
    expect(await readFile(join(stdout.trim(), 'config.json'))).toEqual(
      await readFile(join(fixture('tiny-class'), 'config.json')),
    );
    expect(await json('path', 'tiny-clip')).toMatchObject({ name: 'tiny-clip', folder: stdout.trim() });
  });
});

describe('models rm', () => {
  it('deletes a downloaded model and its import, but no other snapshot', async () => {
    await run('models', 'pull', TINY);
    await run('models', 'use', 'tiny-clip');
    const other = repositoryOf(fixture('tiny-class'), { 'config.json': '{"another": "commit"}' });
    hub.repositories.set(TINY, other);
    const second = await run('models', 'pull', `${TINY}@${other.commit}`, '--name', 'second');
    expect(second.stderr).toMatch(/E_MODEL: second is downloaded but cannot be used: .*config/);
    const { code, stderr } = await run('models', 'rm', 'tiny-clip');
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/tiny-clip was the default model; the default is now starter/),
    ]);
    const left = await treeOf(home.hub);
    expect(left.filter((path) => path.includes('/snapshots/')).length).toBe(4);
    expect(left.filter((path) => path.includes('/blobs/') && !path.includes('->')).length).toBe(4);
    expect((await run('models', 'verify', 'second')).code).toBe(0);
    expect(await json('rm', 'second')).toEqual({ removed: 'second', imported: false, pulled: true });
    expect(await treeOf(home.hub)).toEqual([]);
    expect((await json('list')).map(({ state }: { state: string }) => state)).not.toContain('pulled');
  });

  it('removes an import, and keeps its checkpoint', async () => {
    await run('models', 'import', fixture('tiny-class'), '--name', 'mine');
    expect(await json('rm', 'mine')).toEqual({ removed: 'mine', imported: true, pulled: false });
    expect((await run(fixture('images/rgb.png'), '-l', 'a,b', '-m', fixture('tiny-class'))).code).toBe(0);
  });

  it.each(['starter', 'nothing', 'ViT-B/32', '../x'])('refuses %s', async (name) => {
    expect((await run('models', 'rm', name)).code).toBe(2);
  });
});

it.each(['list', 'use', 'pull', 'import', 'inspect', 'verify', 'path', 'rm'])(
  '%s --help ends with examples',
  async (name) => {
    const { code, stdout } = await run('models', name, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nExamples:\n( {2}\$ clip-classify .+\n( {6}.+\n)*)+$/);
  },
);

it('names the variable to set if the cache cannot be written', async () => {
  const { code, stderr } = await cli(['models', 'pull', TINY], { env: { ...home.env, HF_HUB_CACHE: '/dev/null/x' } });
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/E_CACHE: cannot use \/dev\/null\/x: .*; set HF_HUB_CACHE/),
  ]);
  const own = await cli(['models', 'use', 'starter'], { env: { ...home.env, CLIP_CLASSIFY_CACHE: '/dev/null/x' } });
  expect([own.code, own.stderr]).toEqual([2, expect.stringMatching(/E_CACHE: .*; set CLIP_CLASSIFY_CACHE/)]);
});
