import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { LARGEST_TOKEN_FILE, readInputText } from '../disk/input.ts';
import { messageOf, UsageError } from '../errors.ts';
import { badRequest, Problem } from './problems.ts';

/** Names of this machine. */
const LOCAL = ['localhost', '127.0.0.1', '[::1]'];

/** The Host headers of a port: the names of this machine, the address that was asked for, and what is listed. */
export function allowedHosts(port: number, address: string, listed: readonly string[]): ReadonlySet<string> {
  const own = [...LOCAL, address.includes(':') ? `[${address}]` : address];
  const hosts = [...own.map((name) => `${name}:${port}`), ...listed, ...listed.map((name) => `${name}:${port}`)];
  return new Set([...hosts, ...(port === 80 ? own : [])].map((host) => host.toLowerCase()));
}

/**
 * After DNS rebinding, a page can read the answers of a service of this machine. The Host of its requests is its own name.
 *
 * @param hosts Host headers that are answered, each with its port; undefined on a Unix socket, which no browser reaches
 * @throws Problem 403
 */
export function checkHost({ headers, url = '' }: IncomingMessage, hosts: ReadonlySet<string> | undefined): void {
  if (hosts === undefined) return;
  for (const one of [hostOf(headers), ...hostOfTarget(url)])
    if (!hosts.has(one))
      throw forbidden(`this service does not answer for the host "${one.slice(0, 100)}"; start it with --allow-host`);
}

/**
 * A page of another origin can send requests to a service of this machine. Browsers send its origin. Programs send neither
 * Origin nor Sec-Fetch-Site.
 *
 * @param listed origins that may ask
 * @returns the origin, if it is a listed one
 * @throws Problem 403
 */
export function checkOrigin({ headers }: IncomingMessage, listed: readonly string[]): string | undefined {
  const { origin } = headers;
  if (origin !== undefined && listed.includes(origin)) return origin;
  const host = hostOf(headers);
  const site = headers['sec-fetch-site'] ?? 'none';
  const isOwnOrigin = origin === undefined || origin === `http://${host}` || origin === `https://${host}`;
  if (isOwnOrigin && (site === 'same-origin' || site === 'none')) return undefined;
  throw forbidden('requests from pages of other origins are refused; send them from a program, or use --allow-origin');
}

function hostOf({ host = '' }: IncomingHttpHeaders): string {
  return host.toLowerCase();
}

/** The host of a request line that holds a whole URL. @throws Problem 400 */
function hostOfTarget(url: string): string[] {
  if (url.startsWith('/') || url === '*') return [];
  if (!URL.canParse(url)) throw badRequest('the request line has no path');
  return [new URL(url).host];
}

/** @throws Problem 401 */
export function checkToken(authorization: string | undefined, tokens: readonly string[] | undefined): void {
  if (tokens === undefined) return;
  const given = digest(/^Bearer +(\S+) *$/iu.exec(authorization ?? '')?.[1] ?? '');
  // Digests have one length, and every token is compared, so that the time reveals nothing.
  const matches = tokens.filter((token) => timingSafeEqual(digest(token), given));
  if (matches.length > 0) return;
  const what = authorization === undefined ? 'a token is needed' : 'the token is wrong';
  throw new Problem(401, 'E_TOKEN', `${what}; send the header Authorization: Bearer <token>`, {
    'www-authenticate': 'Bearer',
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function forbidden(message: string): Problem {
  return new Problem(403, 'E_FORBIDDEN', message);
}

/** The minimum length of a token. A shorter one could be guessed. */
const CHARACTERS = 16;

/** Reads a file with one token per line. No message contains a token. @throws UsageError */
export async function readTokens(file: string): Promise<readonly string[]> {
  const text = await readInputText(file, LARGEST_TOKEN_FILE).catch((error) => {
    throw new UsageError(`--token-file cannot be read: ${messageOf(error)}`, 'check the path');
  });
  const tokens = text.split(/\r?\n/u).filter((line) => line.trim() !== '');
  const isWeak = tokens.some((token) => token.length < CHARACTERS || /\s/u.test(token));
  if (tokens.length > 0 && !isWeak) return tokens;
  const fact = isWeak ? 'a token in --token-file has a space or fewer than 16 characters' : '--token-file has no token';
  throw new UsageError(fact, `make one: openssl rand -hex 32 > ${file}`);
}
