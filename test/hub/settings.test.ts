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

// As huggingface_hub's constants.py has it.
describe('the variables of the hub', () => {
  it.each([
    [{}, '.cache/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
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
    [{ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_TOKEN: 'hf_x' }, 'hf_x'],
  ])('%j: the token is %s', async (env, token) => {
    expect((await settings(env)).token).toBe(token);
  });

  it('takes the token of HF_TOKEN_PATH', async () => {
    expect((await settings({ HF_TOKEN_PATH: join(home, 'token') })).token).toBe('hf_of_the_path');
  });

  it.each([
    [{}, false, false],
    [{}, true, true],
    [{ HF_HUB_OFFLINE: '1' }, false, true],
    [{ HF_HUB_OFFLINE: 'True' }, false, true],
    [{ TRANSFORMERS_OFFLINE: 'ON' }, false, true],
    [{ HF_HUB_OFFLINE: '0' }, false, false],
  ])('%j, --offline %s: offline is %s', async (env, option, offline) => {
    expect((await settings(env, option)).offline).toBe(offline);
  });

  it('has an endpoint without a slash at its end', async () => {
    expect((await settings()).endpoint).toBe('https://huggingface.co');
    expect((await settings({ HF_ENDPOINT: 'http://mirror:8080/hf/' })).endpoint).toBe('http://mirror:8080/hf');
  });

  it.each(['mirror', 'file:///x', 'ftp://x'])('refuses %s as an endpoint', async (endpoint) => {
    await expect(settings({ HF_ENDPOINT: endpoint })).rejects.toThrow(/HF_ENDPOINT is .*; use a URL/);
  });
});

it.each([
  [{ CLIP_CLASSIFY_CACHE: '/c', XDG_CACHE_HOME: '/x' }, '/c'],
  [{ XDG_CACHE_HOME: '/x' }, '/x/clip-classify'],
  [{ HOME: '/home/me' }, '/home/me/.cache/clip-classify'],
])('%j: the own cache is %s', (env, folder) => {
  expect(cacheFolder(env)).toBe(folder);
});
