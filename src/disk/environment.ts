import { homedir } from 'node:os';
import { join } from 'node:path';
import { env as processEnv } from 'node:process';
import { CacheError } from '../errors.ts';

/** The environment variables of the process. */
export type Env = Readonly<Record<string, string | undefined>>;

/**
 * The folder of this tool's own files: `CLIP_CLASSIFY_CACHE`, else `clip-classify` in `XDG_CACHE_HOME` or `~/.cache`.
 *
 * @throws CacheError if the user has no home
 */
export function cacheFolder(env: Env = processEnv): string {
  return expandPath(env['CLIP_CLASSIFY_CACHE'] || join(userCache(env, 'CLIP_CLASSIFY_CACHE'), 'clip-classify'), env);
}

/**
 * The Hub's cache, which is shared with Python's tools (huggingface_hub, constants.py):
 * `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `hub` in {@link hubHome}.
 */
export function hubCacheFolder(env: Env = processEnv): string {
  return expandPath(env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'] || join(hubHome(env), 'hub'), env);
}

/** `HF_HOME`, else `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. */
export function hubHome(env: Env = processEnv): string {
  return expandPath(env['HF_HOME'] || join(userCache(env, 'HF_HOME'), 'huggingface'), env);
}

/**
 * Expands `~` at the start and `$NAME` or `${NAME}` anywhere, like Python's tools, because unit files and .env files do not expand them.
 * An unknown variable stays unchanged.
 */
export function expandPath(path: string, env: Env): string {
  const home = /^~(?=[\\/]|$)/u.test(path) ? join(env['HOME'] || homedir(), path.slice(1)) : path;
  return home.replace(/\$(?:\{(\w+)\}|(\w+))/gu, (text, braced, plain) => env[braced ?? plain] ?? text);
}

function userCache(env: Env, variable: string): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  try {
    return join(env['HOME'] || homedir(), '.cache');
  } catch (error) {
    throw new CacheError('this user has no home folder', `set ${variable} to a writable folder`, error);
  }
}
