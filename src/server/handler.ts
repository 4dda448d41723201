import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../errors.ts';
import { toJson } from '../output/json.ts';
import { type Answer, Content, type Exchange, type Service } from './context.ts';
import { preflight, sharingHeaders } from './cross-origin.ts';
import { checkHost, checkOrigin, checkToken } from './guard.ts';
import { badRequest, Problem, problemOf } from './problems.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';

/** Milliseconds. */
const LINGER_MS = 2_000;

/** Answers one request, whatever it is. @param hosts as {@link checkHost} takes them */
export async function handle(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  service: Service,
  hosts: ReadonlySet<string> | undefined,
): Promise<void> {
  const began = performance.now();
  const left = new AbortController();
  outgoing.on('close', () => outgoing.writableFinished || left.abort(new Error('the client has left')));
  const { log } = service.settings;
  const address = addressOf(incoming);
  const query = address?.searchParams ?? new URLSearchParams();
  const exchange: Exchange = { incoming, query, signal: left.signal, images: 0 };
  const path = address !== undefined && Object.hasOwn(ROUTES, address.pathname) ? address.pathname : 'none';
  let answer: Answer;
  let code: string | undefined;
  let origin: string | undefined;
  try {
    if (address === undefined) throw badRequest('the request line has no path');
    checkHost(incoming, hosts);
    const route = routeOf(path, incoming.method);
    if (!isFollowedLink(incoming, route)) origin = checkOrigin(incoming, service.settings.access.origins);
    const isPreflight = origin !== undefined && incoming.method === 'OPTIONS';
    if (!isPreflight && (route?.access ?? 'token') === 'token')
      checkToken(incoming.headers.authorization, service.settings.access.tokens);
    if (service.isStopping()) throw new Problem(503, 'E_STOPPING', 'the service is stopping', { connection: 'close' });
    answer = isPreflight ? preflight(incoming) : await (route ?? refuse(path)).respond(exchange, service);
  } catch (error) {
    const problem = problemOf(error);
    code = problem.code;
    if (problem.cause !== undefined && !left.signal.aborted) log({ event: 'error', message: messageOf(problem.cause) });
    answer = { status: problem.status, body: { error: { code, message: problem.message } }, headers: problem.headers };
  }
  const { status } = answer;
  const { images } = exchange;
  lingerFor(incoming, outgoing);
  send(outgoing, answer, {
    ...(service.isStopping() && { connection: 'close' }),
    ...(origin !== undefined && sharingHeaders(origin)),
  });
  const ms = performance.now() - began;
  service.metrics.request(path, status, ms / 1000);
  const method = incoming.method ?? '';
  log({ event: 'request', method, route: path, status, ms: Math.round(ms), images, ...(code && { code }) });
}

function routeOf(path: string, method = ''): Route | undefined {
  const routes = ROUTES[path] ?? {};
  return Object.hasOwn(routes, method) ? routes[method as keyof typeof routes] : undefined;
}

/** @throws Problem 404 or 405 */
function refuse(path: string): never {
  const routes = ROUTES[path];
  if (routes === undefined)
    throw new Problem(404, 'E_ROUTE', `there is no such path; use ${Object.keys(ROUTES).join(', ')}`);
  const allow = Object.keys(routes).join(', ');
  throw new Problem(405, 'E_ROUTE', `this path takes ${allow}`, { allow });
}

/** Whether a browser opens a page that pages of other origins may link to. */
function isFollowedLink({ headers }: IncomingMessage, route: Route | undefined): boolean {
  return route?.access === 'link' && headers['sec-fetch-mode'] === 'navigate';
}

/** A client whose body is not wanted may send the rest for a moment, because it reads the answer only then. */
function lingerFor(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.complete) return;
  outgoing.once('finish', () => {
    incoming.resume();
    setTimeout(() => incoming.complete || incoming.destroy(), LINGER_MS).unref();
  });
}

function addressOf({ url = '' }: IncomingMessage): URL | undefined {
  const base = 'http://service';
  return URL.canParse(url, base) ? new URL(url, base) : undefined;
}

function send(
  outgoing: ServerResponse,
  { status, body, headers = {} }: Answer,
  more: Readonly<Record<string, string>>,
) {
  if (outgoing.destroyed) return;
  const content = contentOf(body);
  const bytes = Buffer.from(content?.bytes ?? '');
  outgoing.writeHead(status, {
    ...(content && { 'content-type': content.type, 'content-length': bytes.length }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...more,
    ...headers,
  });
  outgoing.end(bytes);
}

function contentOf(body: Answer['body']): Content | undefined {
  if (body === undefined || body instanceof Content) return body;
  return new Content('application/json', `${toJson(body)}\n`);
}
