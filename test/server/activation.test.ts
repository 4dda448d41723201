import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../cli/io.ts';
import { bin } from '../cli/program.ts';
import { IMAGE, MODEL } from './service.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'activation-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Listens, and passes the socket like systemd: as file descriptor 3, to the process in LISTEN_PID. */
async function handOver(place: ListenOptions, args: readonly string[], variables = 'LISTEN_PID=$$ LISTEN_FDS=1') {
  const server = createServer().listen(place);
  await once(server, 'listening');
  const { fd } = (server as Server & { readonly _handle: { readonly fd: number } })._handle;
  const script = `${variables} exec "$0" "$@"`;
  const child = spawn('sh', ['-c', script, process.execPath, bin, 'serve', ...MODEL, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
  const address = server.address() as AddressInfo | string;
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const ready = once(child.stdout as NodeJS.ReadableStream, 'data');
  // Node removes the file of a Unix socket when it closes its own copy: systemd keeps it.
  if (typeof address === 'string') await rename(address, `${address}.kept`);
  server.close();
  return { address, ended, ready, stop: () => child.kill('SIGTERM') };
}

describe('a socket that systemd has opened', () => {
  it('is served, and its file stays when the service ends by --idle-exit', async () => {
    const path = join(folder, 's.sock');
    const { ended } = await handOver({ path }, ['--idle-exit', '1']);
    const { code, stdout } = await cli([IMAGE, '-l', 'cat,dog', '-f', 'label', '--server', `unix:${path}.kept`]);
    expect([code, stdout]).toEqual([0, (await cli([IMAGE, '-l', 'cat,dog', '-f', 'label', ...MODEL])).stdout]);
    expect(await ended).toMatchObject({
      code: 0,
      stdout: 'tiny-class answers at an inherited Unix socket\n',
      stderr: '',
    });
    expect((await stat(`${path}.kept`)).isSocket()).toBe(true);
  });

  it('is served over TCP; a foreign Host header is refused', async () => {
    const { address, ended, stop } = await handOver({ host: '127.0.0.1', port: 0 }, []);
    const { port } = address as AddressInfo;
    const { code } = await cli([IMAGE, '-l', 'cat,dog', '--server', `http://localhost:${port}`, '--quiet']);
    expect(code).toBe(0);
    const foreign = await cli([IMAGE, '-l', 'cat,dog', '--server', `http://127.0.0.2:${port}`]);
    expect(foreign.stderr).toContain('E_SERVER');
    stop();
    expect(await ended).toMatchObject({ code: 0, stdout: `tiny-class answers at http://127.0.0.1:${port}\n` });
  });

  it.each([
    ['an address of its own', { host: '127.0.0.1' }, ['--port', '7071'], undefined, '--port is given'],
    ['two sockets', { host: '127.0.0.1' }, [], 'LISTEN_PID=$$ LISTEN_FDS=2', '2 sockets are inherited'],
    ['other machines, without a token', { host: '0.0.0.0' }, [], undefined, '--token-file'],
  ] as const)('is refused with %s', async (_, place, args, variables, said) => {
    const { ended } = await handOver({ ...place, port: 0 }, args, variables);
    const { code, stderr } = await ended;
    expect(code).toBe(2);
    expect(stderr).toContain(said);
  });

  it('is left alone if it is meant for another process', async () => {
    const { ended, ready, stop } = await handOver(
      { host: '127.0.0.1', port: 0 },
      ['--port', '0'],
      'LISTEN_PID=1 LISTEN_FDS=1',
    );
    await ready;
    stop();
    const { stdout } = await ended;
    expect(stdout).toMatch(/answers at http:\/\/127\.0\.0\.1:\d+/u);
  });
});
