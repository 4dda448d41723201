import { join } from 'node:path';
import { type Env, hubCacheFolder, hubHome } from '../disk/environment.ts';
import { readInput } from '../disk/input.ts';
import { messageOf, UsageError } from '../errors.ts';

/** Where the hub is and how to reach it. */
export interface HubSettings extends NetworkSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly cache: string;
  readonly token: string | undefined;
}

/** Whether, and through whom, connections are opened. */
export interface NetworkSettings {
  readonly offline: boolean;
  /** Undefined where no proxy is set. */
  readonly proxies: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string } | undefined;
}

/**
 * Reads the variables that Python's tools read (huggingface_hub, constants.py).
 *
 * @throws UsageError if one of them cannot be what it should be; a token is never shown
 */
export async function hubSettings(env: Env, offline = false): Promise<HubSettings> {
  const endpoint = (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/u, '');
  if (!URL.canParse(endpoint) || !/^https?:$/u.test(new URL(endpoint).protocol))
    throw new UsageError(`HF_ENDPOINT is ${JSON.stringify(endpoint)}`, 'use a URL such as https://huggingface.co');
  const token = (env['HF_TOKEN'] || (await tokenFile(env)))?.trim() || undefined;
  if (token !== undefined && !/^[\x21-\x7e]+$/u.test(token))
    throw new UsageError(
      'the Hugging Face token contains invalid characters',
      'set HF_TOKEN to a valid token, or unset it',
    );
  return {
    endpoint,
    cache: hubCacheFolder(env),
    token: isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN']) && !env['HF_TOKEN'] ? undefined : token,
    ...networkSettings(env, offline),
  };
}

/** @throws UsageError if a proxy variable holds no URL */
export function networkSettings(env: Env, offline = false): NetworkSettings {
  const proxy = (name: string) => env[name] || env[name.toUpperCase()] || '';
  const [httpProxy, httpsProxy] = [proxy('http_proxy'), proxy('https_proxy')];
  for (const url of [httpProxy, httpsProxy])
    if (url !== '' && !URL.canParse(url))
      throw new UsageError('a proxy variable is not a URL', 'set https_proxy to a URL such as http://proxy:3128');
  return {
    offline: offline || isTrue(env['HF_HUB_OFFLINE']) || isTrue(env['TRANSFORMERS_OFFLINE']),
    proxies: httpProxy || httpsProxy ? { httpProxy, httpsProxy, noProxy: proxy('no_proxy') } : undefined,
  };
}

/** Tokens have some forty characters; what is longer is another file (CWE-770). */
const MAX_TOKEN_BYTES = 65_536;

async function tokenFile(env: Env): Promise<string | undefined> {
  const path = env['HF_TOKEN_PATH'] || join(hubHome(env), 'token');
  try {
    return (await readInput(path, MAX_TOKEN_BYTES)).toString();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code)))
      return undefined; // nobody has logged in
    throw new UsageError(`the token file ${path} cannot be read: ${messageOf(error)}`, 'check HF_TOKEN_PATH', error);
  }
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase());
}
