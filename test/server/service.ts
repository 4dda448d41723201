import { once } from 'node:events';
import { request } from 'node:http';
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
