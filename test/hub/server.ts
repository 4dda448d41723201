import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/** A repository of the loopback hub. */
export interface Repository {
  readonly commit: string;
  /** `main`, or another branch or `refs/pr/<n>`. */
  readonly branch: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A request, as it arrived. */
export interface Seen {
  readonly server: 'hub' | 'cdn';
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  /** Body bytes that have been sent so far. */
  sent: number;
}

/** The fault of one request. Sizes in bytes, times in milliseconds. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The whole length is promised, then the connection breaks. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** The body ends early, and there is no Content-Length. */
  | { readonly kind: 'short-chunked'; readonly bytes: number }
  /** The promised length itself is too short. */
  | { readonly kind: 'short-length'; readonly bytes: number }
  | { readonly kind: 'longer'; readonly chunked: boolean }
  | { readonly kind: 'html' }
  | { readonly kind: 'lfs-pointer'; readonly chunked: boolean }
  | { readonly kind: 'flipped' }
  | { readonly kind: 'stall'; readonly bytes: number }
  | { readonly kind: 'drip'; readonly everyMs: number }
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'no-range' }
  | { readonly kind: 'etag'; readonly etag: string }
  /** The body arrives compressed, with a weak ETag, as an intermediary sends it. */
  | { readonly kind: 'gzip'; readonly length: boolean }
  /** Not a fault, only slow: the first byte arrives after this time. */
  | { readonly kind: 'late'; readonly ms: number }
  /** Not a fault, only slow: this number of bytes at each interval. */
  | { readonly kind: 'slow'; readonly bytes: number; readonly everyMs: number }
  | { readonly kind: 'body'; readonly body: string; readonly headers?: Record<string, string> };

export interface LoopbackHub {
  readonly endpoint: string;
  /** The second origin, which large files come from. */
  readonly cdn: string;
  readonly seen: Seen[];
  /** Called once for each request. */
  fault: (request: Seen) => Fault | undefined;
  readonly repositories: Map<string, Repository>;
  /** Old names of repositories: each is redirected to the new name. */
  readonly renamed: Map<string, string>;
  /** How small files are answered; huggingface.co redirects them to its own `/api/resolve-cache/`. */
  small: 'direct' | 'redirect' | 'redirect with etag';
  /** How large files are answered; a mirror that follows the redirect itself passes the ETag of the CDN. */
  large: 'redirect' | 'direct';
  /** Whether listings have sizes and digests; some mirrors do not know `?blobs=true`. */
  blobs: boolean;
  close(): Promise<void>;
}

/** Files from this size on are in LFS, as `*.safetensors` is on the real hub. */
const LFS_BYTES = 100_000;

/**
 * A hub on the loopback interface that answers as huggingface.co does: the listing and its tree, `resolve` with ETag,
 * X-Repo-Commit, X-Linked-Etag and X-Linked-Size, a redirect to another origin for files in LFS, Range and If-Range.
 */
export async function startHub(repositories: Record<string, Repository> = {}): Promise<LoopbackHub> {
  const seen: Seen[] = [];
  const servers: Server[] = [];
  const listen = async (server: 'hub' | 'cdn') => {
    const http = createServer((request, response) => {
      answer(hub, server, request, response).catch((error) => response.destroy(error));
    });
    servers.push(http);
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  };
  const hub: LoopbackHub = {
    endpoint: await listen('hub'),
    cdn: await listen('cdn'),
    seen,
    fault: () => undefined,
    repositories: new Map(Object.entries(repositories)),
    renamed: new Map(),
    small: 'direct',
    large: 'redirect',
    blobs: true,
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
  return hub;
}

/** A folder as a repository; its commit is made of its content. */
export function repositoryOf(folder: string, extra: Record<string, Uint8Array | string> = {}): Repository {
  const files = new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
  for (const [name, body] of Object.entries(extra)) files.set(name, Buffer.from(body));
  return repository(files);
}

export function repository(files: ReadonlyMap<string, Uint8Array>, at: Partial<Repository> = {}): Repository {
  const commit = createHash('sha1');
  for (const [name, body] of files) commit.update(name).update(body);
  return { commit: commit.digest('hex'), branch: 'main', files, ...at };
}

/** A mirror that answers every request with 308 to another hub, as hf-mirror.com does at times. */
export async function startMirror({ endpoint }: LoopbackHub): Promise<{ endpoint: string; close(): Promise<void> }> {
  const http = createServer(({ url }, response) => {
    response.writeHead(308, { location: `${endpoint}${url}`, 'content-length': '0' }).end();
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}

/** The CDN's ETag: 64 hex digits that are not the sha256 of the file. */
export const xetHash = (bytes: Uint8Array) => sha256(Buffer.concat([Buffer.from('xet'), bytes]));

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** What `git hash-object` says. */
export const gitSha1 = (bytes: Uint8Array) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
export const isLfs = (bytes: Uint8Array) => bytes.length >= LFS_BYTES;
/** The name of a blob in the cache. */
export const blobName = (bytes: Uint8Array) => (isLfs(bytes) ? sha256(bytes) : gitSha1(bytes));
export const lfsPointer = (bytes: Uint8Array) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`;

async function answer(hub: LoopbackHub, server: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse) {
  const { url = '/', method = 'GET' } = request;
  const { range, authorization } = request.headers;
  const entry: Seen = { server, method, url, range, authorization, sent: 0 };
  hub.seen.push(entry);
  const fault = hub.fault(entry);
  if (fault?.kind === 'late') await sleep(fault.ms);
  const send = (status: number, body: string | Uint8Array, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
    response.end(method === 'HEAD' ? undefined : body);
    entry.sent += Buffer.byteLength(body);
  };
  if (fault?.kind === 'status') return send(fault.status, 'no', fault.headers);
  if (fault?.kind === 'redirect') return send(302, '', { location: fault.to });
  if (fault?.kind === 'body') return send(200, fault.body, fault.headers);
  const path = decodeURIComponent(new URL(url, hub.endpoint).pathname);
  if (server === 'cdn') {
    const body = [...hub.repositories.values()].flatMap(({ files }) => [...files.values()]);
    const wanted = body.find((bytes) => `/${sha256(bytes)}` === path);
    if (wanted === undefined) return send(404, 'no');
    return sendFile(request, response, entry, wanted, { etag: `"${xetHash(wanted)}"` }, fault);
  }
  const cached = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(path);
  const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(path);
  const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
  const [, name = '', kind = '', revision = ''] = cached ?? api ?? file ?? [];
  const now = hub.renamed.get(name);
  if (now !== undefined) return send(307, 'moved', { location: url.replace(name, now) });
  const repo = hub.repositories.get(name);
  if (repo === undefined) return send(401, 'no', { 'x-error-code': 'RepoNotFound' });
  if (api !== null) {
    if (revision !== repo.branch && revision !== repo.commit)
      return send(404, 'no', { 'x-error-code': 'RevisionNotFound' });
    const json = JSON.stringify(
      kind === 'tree' ? tree(repo) : listing(name, repo, hub.blobs && url.includes('?blobs=true')),
    );
    return send(200, json, { 'content-type': 'application/json' });
  }
  const body = repo.files.get(revision);
  if (body === undefined || (kind !== repo.commit && kind !== repo.branch))
    return send(404, 'no', { 'x-error-code': 'EntryNotFound' });
  const headers = { 'x-repo-commit': repo.commit };
  if (!isLfs(body) && file !== null && hub.small !== 'direct') {
    const tag = `&etag=%22${gitSha1(body)}%22`;
    const location = `/api/resolve-cache/models/${name}/${repo.commit}/${encodeURIComponent(revision)}?x=1${tag}`;
    const linked = hub.small === 'redirect with etag' ? { 'x-linked-etag': `"${gitSha1(body)}"` } : {};
    return send(307, 'Temporary Redirect. Redirecting', { ...linked, location });
  }
  if (cached !== null && !url.includes('&etag=')) return send(400, 'the query is missing');
  if (isLfs(body) && hub.large === 'direct')
    return sendFile(request, response, entry, body, { etag: `"${xetHash(body)}"` }, fault);
  if (!isLfs(body)) {
    const etag = fault?.kind === 'etag' ? fault.etag : gitSha1(body);
    return sendFile(request, response, entry, body, { ...headers, etag: `"${etag}"` }, fault);
  }
  const etag = fault?.kind === 'etag' ? fault.etag : sha256(body);
  return send(302, '', {
    ...headers,
    'x-linked-etag': `"${etag}"`,
    'x-linked-size': String(body.length),
    'x-xet-hash': xetHash(body),
    location: `${hub.cdn}/${sha256(body)}?X-Amz-Signature=${hub.seen.length}`,
  });
}

const listing = (name: string, { commit, files }: Repository, blobs: boolean) => ({
  id: name,
  sha: commit,
  gated: false,
  siblings: [...files].map(([rfilename, body]) => ({
    rfilename,
    ...(blobs && {
      size: body.length,
      blobId: gitSha1(isLfs(body) ? Buffer.from(lfsPointer(body)) : body),
      ...(isLfs(body) && { lfs: { sha256: sha256(body), size: body.length, pointerSize: lfsPointer(body).length } }),
    }),
  })),
});

const tree = ({ files }: Repository) =>
  [...files].map(([path, body]) => ({
    type: 'file',
    path,
    oid: gitSha1(isLfs(body) ? Buffer.from(lfsPointer(body)) : body),
    size: body.length,
    ...(isLfs(body) && { lfs: { oid: sha256(body), size: body.length, pointerSize: lfsPointer(body).length } }),
  }));

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  entry: Seen,
  whole: Uint8Array,
  headers: Record<string, string>,
  fault: Fault | undefined,
): Promise<void> {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const same = request.headers['if-range'] === undefined || request.headers['if-range'] === headers['etag'];
  const ranged = start > 0 && same && fault?.kind !== 'no-range';
  if (ranged && start >= whole.length) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
    return;
  }
  let body: Uint8Array = ranged ? whole.subarray(start) : whole;
  let length: number | undefined = body.length;
  if (fault?.kind === 'short-chunked') [body, length] = [body.subarray(0, fault.bytes), undefined];
  if (fault?.kind === 'short-length') [body, length] = [body.subarray(0, fault.bytes), fault.bytes];
  if (fault?.kind === 'longer') {
    body = Buffer.concat([body, Buffer.alloc(5000, 7)]);
    length = fault.chunked ? undefined : body.length;
  }
  if (fault?.kind === 'html') {
    body = Buffer.from('<!doctype html><title>Log in</title>');
    length = body.length;
  }
  if (fault?.kind === 'lfs-pointer') {
    body = Buffer.from(lfsPointer(whole));
    length = fault.chunked ? undefined : body.length;
  }
  if (fault?.kind === 'flipped') {
    body = Buffer.from(body);
    body[body.length >> 1] = (body[body.length >> 1] as number) ^ 1;
  }
  let encoding: Record<string, string> = {};
  if (fault?.kind === 'gzip') {
    body = gzipSync(whole);
    length = fault.length ? body.length : undefined;
    encoding = { 'content-encoding': 'gzip', etag: `W/${headers['etag']}` };
  }
  response.writeHead(ranged && fault?.kind !== 'gzip' ? 206 : 200, {
    'content-type': fault?.kind === 'html' ? 'text/html; charset=utf-8' : 'application/octet-stream',
    ...headers,
    ...encoding,
    ...(length !== undefined && { 'content-length': String(length) }),
    ...(ranged && { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` }),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const write = async (bytes: Uint8Array) => {
    if (response.destroyed) return;
    entry.sent += bytes.length;
    if (!response.write(bytes)) await drained(response);
  };
  if (fault?.kind === 'short') {
    await write(body.subarray(0, fault.bytes));
    await sleep(20); // so that the bytes arrive before the end does
    response.destroy();
    return;
  }
  if (fault?.kind === 'stall') {
    await write(body.subarray(0, fault.bytes));
    return; // and then nothing more
  }
  const piece = fault?.kind === 'slow' ? fault.bytes : fault?.kind === 'drip' ? 1 : body.length;
  for (let at = 0; at < body.length && !response.destroyed; at += piece) {
    await write(body.subarray(at, at + piece));
    if (fault?.kind === 'slow' || fault?.kind === 'drip') await sleep(fault.everyMs);
  }
  response.end();
}

/** Waits until the client has received the bytes or has disconnected. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
