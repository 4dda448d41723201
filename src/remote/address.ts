import { UsageError } from '../errors.ts';

/** Where a service listens. */
export interface ServerAddress {
  /** The address in messages. */
  readonly name: string;
  /** The path of a Unix socket. */
  readonly socketPath?: string;
  /** The base URL of requests. For a socket, the host is `localhost`. */
  readonly url: URL;
  /** Whether the service is on this machine. */
  readonly isLocal: boolean;
}

const LOCAL: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const FORMS = 'use http://host:port, https://host or unix:/path/of/the.sock';

/** `unix:/run/clip.sock`, `http://127.0.0.1:7070` or `https://host/below`. @throws UsageError */
export function parseServerAddress(text: string): ServerAddress {
  const socketPath = /^unix:(?:\/\/(?=\/))?(.+)$/su.exec(text)?.[1];
  if (socketPath !== undefined)
    return { name: `unix:${socketPath}`, socketPath, url: new URL('http://localhost/'), isLocal: true };
  if (!/^https?:\/\//iu.test(text) || !URL.canParse(text))
    throw new UsageError(`${withoutLogin(text)} is not the address of a server`, FORMS);
  const url = new URL(text);
  const { username, password, search, hash } = url;
  if (username !== '' || password !== '')
    throw new UsageError('the address of the server contains a name or password', 'use --server-token-file');
  if (search !== '' || hash !== '') throw new UsageError(`${text} is not the address of a server`, FORMS);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { name: url.href.replace(/\/$/u, ''), url, isLocal: LOCAL.has(url.hostname) };
}

function withoutLogin(text: string): string {
  return text.replace(/^.*@/su, '…@');
}
