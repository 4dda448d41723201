import { join } from 'node:path';
import { type Env, expandPath, hubCacheFolder, hubHome } from '../disk/environment.ts';
import { isAbsent } from '../disk/exists.ts';
import { readInputText } from '../disk/input.ts';
import { messageOf, UsageError } from '../errors.ts';

/** Where the Hub is and how to reach it. */
export interface HubSettings extends NetworkSettings {
  /** Without a slash at its end and without credentials. */
  readonly endpoint: string;
  /** The value of an Authorization header, from the user name and password of HF_ENDPOINT; only the endpoint gets it. */
  readonly login: string | undefined;
  readonly cache: string;
  readonly token: HubToken | undefined;
  /** How long to wait for the next byte, in milliseconds, if a variable says so. */
  readonly stallMs: number | undefined;
  /** False if cached files must not be symbolic links (HF_HUB_DISABLE_SYMLINKS). */
  readonly links: boolean;
}

/** A token of the Hub, and the variable or file that it comes from. */
export interface HubToken {
  readonly value: string;
  readonly from: string;
  /** True for a token from a file, which may be from a login long ago. */
  readonly isFile: boolean;
}

/** Whether connections may be opened, and through which proxy. */
export interface NetworkSettings {
  readonly offline: boolean;
  /** Undefined if no proxy is set. */
  readonly proxies: { readonly httpProxy: string; readonly httpsProxy: string; readonly noProxy: string } | undefined;
}

/**
 * Reads the variables that Python's tools read (huggingface_hub, constants.py).
 *
 * @throws UsageError if a variable has a value that cannot be used; tokens and passwords are never shown
 */
export async function hubSettings(env: Env, offline = false): Promise<HubSettings> {
  return {
    ...parseEndpoint(env['HF_ENDPOINT'] || 'https://huggingface.co'),
    cache: hubCacheFolder(env),
    token: isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN']) ? undefined : await readToken(env),
    stallMs: stallMs(env),
    links: !isTrue(env['HF_HUB_DISABLE_SYMLINKS']),
    ...networkSettings(env, offline),
  };
}

/** @throws UsageError if a proxy variable is not a URL, or is not an HTTP proxy */
export function networkSettings(env: Env, offline = false): NetworkSettings {
  const read = (name: string) => env[name] || env[name.toUpperCase()] || '';
  const all = read('all_proxy');
  const httpProxy = proxyUrl(read('http_proxy') || all);
  const httpsProxy = proxyUrl(read('https_proxy') || all);
  return {
    offline: offline || isTrue(env['HF_HUB_OFFLINE'] || env['TRANSFORMERS_OFFLINE']),
    proxies: httpProxy || httpsProxy ? { httpProxy, httpsProxy, noProxy: read('no_proxy') } : undefined,
  };
}

/** Node's fetch refuses a URL with credentials, so they become a header. */
function parseEndpoint(text: string): Pick<HubSettings, 'endpoint' | 'login'> {
  if (!URL.canParse(text) || !/^https?:$/u.test(new URL(text).protocol)) {
    // Everything before the last @ may be a password, in any spelling.
    const shown = text.replace(/^([a-z][a-z\d+.-]*:[\\/]+)?.*@/isu, '$1***@');
    throw new UsageError(
      `HF_ENDPOINT is ${JSON.stringify(shown)}, not an HTTP URL`,
      'set it to a URL such as https://huggingface.co',
    );
  }
  const url = new URL(text);
  const { username, password } = url;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  url.username = url.password = url.search = url.hash = '';
  return {
    endpoint: url.href.replace(/\/+$/u, ''),
    login: username || password ? `Basic ${Buffer.from(pair).toString('base64')}` : undefined,
  };
}

async function readToken(env: Env): Promise<HubToken | undefined> {
  const variable = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'].find((name) => env[name]?.trim());
  const file = expandPath(env['HF_TOKEN_PATH'] || join(hubHome(env), 'token'), env);
  const text = variable === undefined ? await readTokenFile(file) : env[variable];
  const value = text?.trim();
  if (!value) return undefined;
  const from = variable ?? file;
  if (!/^[\x21-\x7e]+$/u.test(value))
    throw new UsageError(`the token in ${from} has characters that are not allowed in a token`, `correct ${from}`);
  return { value, from, isFile: variable === undefined };
}

/** Both variables are seconds without data. The longer one counts, because listings and files have the same limit here. */
function stallMs(env: Env): number | undefined {
  const times = ['HF_HUB_ETAG_TIMEOUT', 'HF_HUB_DOWNLOAD_TIMEOUT'].flatMap((name) => {
    const text = env[name];
    if (!text) return [];
    const seconds = Number(text);
    if (!(seconds > 0 && seconds <= 86_400))
      throw new UsageError(`${name} is ${JSON.stringify(text)}`, 'set it to a number of seconds, such as 60');
    return [seconds * 1000];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}

/** `proxy:3128` is also a proxy, like for curl and Python. */
function proxyUrl(text: string): string {
  const url = text === '' || text.includes('://') ? text : `http://${text}`;
  if (url === '') return '';
  if (!URL.canParse(url))
    throw new UsageError('a proxy variable is not a URL', 'set https_proxy to a URL such as http://proxy:3128');
  const { protocol } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new UsageError(
      `a proxy variable has the scheme ${protocol}, which is not supported`,
      'set https_proxy to an HTTP proxy, such as http://proxy:3128',
    );
  return url;
}

/** The largest token file, in bytes. Tokens have about forty characters (CWE-770). */
const MAX_TOKEN_BYTES = 65_536;

/** @returns '' if there is no token file */
async function readTokenFile(path: string): Promise<string> {
  try {
    return await readInputText(path, MAX_TOKEN_BYTES);
  } catch (error) {
    if (isAbsent(error)) return '';
    throw new UsageError(`the token file ${path} cannot be read: ${messageOf(error)}`, 'check HF_TOKEN_PATH', error);
  }
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase());
}
