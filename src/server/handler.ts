import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../errors.ts';
import { toJson } from '../output/json.ts';
import type { Answer, Exchange, Service } from './context.ts';
import { checkSender, checkToken } from './guard.ts';
import { badRequest, Problem, problemOf } from './problems.ts';
import { ROUTES } from './routes.ts';

/** Answers any request. @param hosts as for {@link checkSender} */
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
  let route = 'none';
  let answer: Answer;
  let code: string | undefined;
  try {
    if (address === undefined) throw badRequest('the request line has no path');
    if (Object.hasOwn(ROUTES, address.pathname)) route = address.pathname;
    checkSender(incoming, hosts);
    if (route !== '/v2/health/live') checkToken(incoming.headers.authorization, service.settings.access.tokens);
    if (service.isStopping()) throw new Problem(503, 'E_STOPPING', 'the service is stopping', { connection: 'close' });
    answer = await answerOf(route, exchange, service);
  } catch (error) {
    const problem = problemOf(error);
    code = problem.code;
    if (problem.cause !== undefined && !left.signal.aborted) log({ event: 'error', message: messageOf(problem.cause) });
    answer = { status: problem.status, body: { error: { code, message: problem.message } }, headers: problem.headers };
  }
  const { status } = answer;
  const { images } = exchange;
  send(outgoing, answer, service.isStopping());
  const ms = Math.round(performance.now() - began);
  log({ event: 'request', method: incoming.method ?? '', route, status, ms, images, ...(code && { code }) });
}

function answerOf(route: string, exchange: Exchange, service: Service): Promise<Answer> {
  const methods = ROUTES[route];
  if (methods === undefined)
    throw new Problem(404, 'E_ROUTE', `there is no such path; use ${Object.keys(ROUTES).join(', ')}`);
  const run = Object.hasOwn(methods, exchange.incoming.method ?? '')
    ? methods[exchange.incoming.method ?? '']
    : undefined;
  if (run === undefined) {
    const allow = Object.keys(methods).join(', ');
    throw new Problem(405, 'E_ROUTE', `this path takes ${allow}`, { allow });
  }
  return run(exchange, service);
}

function addressOf({ url = '' }: IncomingMessage): URL | undefined {
  const base = 'http://service';
  return URL.canParse(url, base) ? new URL(url, base) : undefined;
}

function send(outgoing: ServerResponse, { status, body, headers = {} }: Answer, isLast: boolean): void {
  if (outgoing.destroyed) return;
  const text = Buffer.from(`${toJson(body)}\n`);
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'content-length': text.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(isLast && { connection: 'close' }),
    ...headers,
  });
  outgoing.end(text);
}
