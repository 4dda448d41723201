import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Ended, start } from '../cli/program.ts';
import { fixture } from '../paths.ts';

export const MODEL = ['-m', fixture('tiny-class')];
export const IMAGE = fixture('images/rgb.png');

/** A service that runs. */
export interface Running {
  readonly address: string;
  readonly pid: number;
  /** Sends SIGTERM. */
  stop(): Promise<Ended>;
}

/** The built program, when it has said its address. */
export async function serve(args: readonly string[], model: readonly string[] = MODEL): Promise<Running> {
  const { child, ended } = start(['serve', ...model, ...args]);
  const said = once(child.stdout as NodeJS.ReadableStream, 'data').then(([chunk]) => String(chunk));
  const line = await Promise.race([said, ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return {
    address: /answers at (\S+)/u.exec(line)?.[1] ?? '',
    pid: child.pid as number,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Whether the service encodes an image. */
export async function isReady({ address }: Running): Promise<boolean> {
  return (await fetch(`${address}/v2/health/ready`)).status === 200;
}

/** The status of an answer, for headers that fetch does not let a program set. */
export function statusWith(headers: Record<string, string>, at: string, path = '/v1/models'): Promise<number> {
  const { hostname, port } = at.startsWith('unix:') ? { hostname: 'localhost', port: '' } : new URL(at);
  const target = at.startsWith('unix:') ? { socketPath: at.slice(5) } : { hostname, port };
  return new Promise((done, failed) => {
    request({ ...target, path, headers }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    })
      .on('error', failed)
      .end();
  });
}

/** A connection, and what is sent back on it, up to the body. */
export function dial({ address }: Running): { readonly socket: Socket; readonly answer: Promise<string> } {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {}); // refused while it sends
  let text = '';
  const answer = new Promise<string>((done) => {
    socket.on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\r\n\r\n')) return;
      done(text);
      socket.destroy();
    });
    socket.on('close', () => done(text));
  });
  return { socket, answer };
}

/** The head of a request to classify. @param length the header that says how long its body is */
export function postHead({ address }: Running, length: string): string {
  const { host } = new URL(address);
  return `POST /v1/classify HTTP/1.1\r\nHost: ${host}\r\nContent-Type: image/png\r\n${length}\r\n\r\n`;
}
