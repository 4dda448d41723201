import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../src/disk/environment.ts';
import { hubSettings } from '../../src/network/settings.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'settings-'));
  await mkdir(join(home, '.cache/huggingface'), { recursive: true });
  await writeFile(join(home, '.cache/huggingface/token'), 'hf_of_the_home\n');
  await writeFile(join(home, 'token'), ' hf_of_the_path ');
});
afterAll(() => rm(home, { recursive: true }));
const settings = (env: Record<string, string> = {}, offline?: boolean) => hubSettings({ HOME: home, ...env }, offline);

// as in constants.py of huggingface_hub
describe('the variables of the hub', () => {
  it.each([
    [{}, '.cache/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
    [{ HF_HOME: '~/h' }, 'h/hub'],
    [{ HF_HOME: '$DATA/h', DATA: '/d' }, '/d/h/hub'],
    [{ HF_HUB_CACHE: '$' + '{DATA}/$NOTHING', DATA: '/d' }, '/d/$NOTHING'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/c' }, '/c'],
  ])('%j: the cache is %s', async (env, cache) => {
    expect((await settings(env)).cache).toBe(cache.startsWith('/') ? cache : join(home, cache));
  });

  it.each([
    [{}, 'hf_of_the_home'],
    [{ HF_TOKEN: 'hf_x' }, 'hf_x'],
    [{ HF_TOKEN: ' hf_x\n' }, 'hf_x'],
    [{ HF_HOME: '/nowhere' }, undefined],
    [{ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
    [{ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_TOKEN: 'hf_x' }, undefined],
    [{ HUGGING_FACE_HUB_TOKEN: 'hf_old' }, 'hf_old'],
    [{ HUGGING_FACE_HUB_TOKEN: 'hf_old', HF_TOKEN: 'hf_x' }, 'hf_x'],
  ])('%j: the token is %s', async (env, token) => {
    expect((await settings(env)).token?.value).toBe(token);
  });

  it('reads the token of HF_TOKEN_PATH, and knows its source', async () => {
    const path = { value: 'hf_of_the_path', from: join(home, 'token'), isFile: true };
    expect((await settings({ HF_TOKEN_PATH: join(home, 'token') })).token).toEqual(path);
    expect((await settings({ HF_TOKEN_PATH: '~/token' })).token).toEqual(path);
    expect((await settings({ HF_TOKEN: 'hf_x' })).token).toEqual({ value: 'hf_x', from: 'HF_TOKEN', isFile: false });
  });

  it.each([
    [{}, false, false],
    [{}, true, true],
    [{ HF_HUB_OFFLINE: '1' }, false, true],
    [{ HF_HUB_OFFLINE: 'True' }, false, true],
    [{ TRANSFORMERS_OFFLINE: 'ON' }, false, true],
    [{ HF_HUB_OFFLINE: '0' }, false, false],
    [{ HF_HUB_OFFLINE: '0', TRANSFORMERS_OFFLINE: '1' }, false, false],
  ])('%j, --offline %s: offline is %s', async (env, option, offline) => {
    expect((await settings(env, option)).offline).toBe(offline);
  });

  it('has an endpoint without a slash at its end', async () => {
    expect((await settings()).endpoint).toBe('https://huggingface.co');
    expect((await settings({ HF_ENDPOINT: 'http://mirror:8080/hf/' })).endpoint).toBe('http://mirror:8080/hf');
  });

  it('takes user and password from the endpoint, and never shows them', async () => {
    const { endpoint, login } = await settings({ HF_ENDPOINT: 'https://me:p%40ss@mirror/hf' });
    expect([endpoint, login]).toEqual(['https://mirror/hf', `Basic ${btoa('me:p@ss')}`]);
    await expect(settings({ HF_ENDPOINT: 'ftp://me:secret@mirror' })).rejects.toThrow(
      /^HF_ENDPOINT is "ftp:\/\/\*\*\*@mirror"/,
    );
    for (const hidden of ['me:secret@mirror', 'ftp:me:se/cr@et@mirror', 'ftp://me:se\ncret@mirror'])
      await expect(settings({ HF_ENDPOINT: hidden })).rejects.toThrow(
        /^HF_ENDPOINT is "\*\*\*@mirror"|^HF_ENDPOINT is "ftp:\/\/\*\*\*@mirror"/,
      );
  });

  it.each([
    [{}, undefined],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: '120' }, 120_000],
    [{ HF_HUB_ETAG_TIMEOUT: '0.5' }, 500],
    [{ HF_HUB_ETAG_TIMEOUT: '40', HF_HUB_DOWNLOAD_TIMEOUT: '20' }, 40_000],
  ])('%j: waits %s ms for a byte', async (env, ms) => {
    expect((await settings(env)).stallMs).toBe(ms);
  });

  it.each([
    [{ ALL_PROXY: 'http://p:1' }, 'http://p:1', 'http://p:1'],
    [{ all_proxy: 'http://p:1', https_proxy: 'q:2' }, 'http://p:1', 'http://q:2'],
  ])('%j: the proxies are %s and %s', async (env, httpProxy, httpsProxy) => {
    expect((await settings(env)).proxies).toMatchObject({ httpProxy, httpsProxy });
  });

  it('refuses a proxy that does not speak HTTP', async () => {
    await expect(settings({ ALL_PROXY: 'socks5://p:1' })).rejects.toThrow(/scheme socks5:, which is not supported/);
  });

  it.each(['mirror', 'file:///x', 'ftp://x'])('refuses %s as an endpoint', async (endpoint) => {
    await expect(settings({ HF_ENDPOINT: endpoint })).rejects.toThrow(/HF_ENDPOINT is .*; set it to a URL/);
  });
});

it.each([
  [{ CLIP_CLASSIFY_CACHE: '/c', XDG_CACHE_HOME: '/x' }, '/c'],
  [{ XDG_CACHE_HOME: '/x' }, '/x/clip-classify'],
  [{ HOME: '/home/me' }, '/home/me/.cache/clip-classify'],
])('%j: the own cache is %s', (env, folder) => {
  expect(cacheFolder(env)).toBe(folder);
});
