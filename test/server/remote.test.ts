import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../cli/io.ts';
import { manyImages, start } from '../cli/program.ts';
import { fixture } from '../paths.ts';
import { IMAGE, MODEL, type Running, serve } from './service.ts';

const LABELS = ['-l', 'cat,dog,a red house'];

let folder: string;
let service: Running;
let server: readonly string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'remote-'));
  await manyImages(join(folder, 'many'), 40);
  await copyFile(fixture('images/rgb.png'), join(folder, 'a b\n"c".png'));
  await writeFile(join(folder, 'bad.png'), 'no picture');
  await writeFile(join(folder, 'empty.png'), '');
  await writeFile(join(folder, 'list.txt'), `${IMAGE}\n${join(folder, 'missing.png')}\n`);
  await writeFile(
    join(folder, 'labels.json'),
    JSON.stringify([
      { label: 'cat', prompts: ['a sketch of a cat'], threshold: 0.9 },
      { label: 'dog', parent: 'animal' },
    ]),
  );
  service = await serve(['--socket', join(folder, 's.sock'), '-l', 'sun,moon']);
  server = ['--server', service.address];
}, 60_000);
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

const NUMBER = /-?\d+\.\d+(?:e-?\d+)?/gu;

/** The same text; numbers may differ by 1e-5 of their size, because rows have six digits and batches of another size sum in another order. */
function expectSame(text: string, expected: string): void {
  const found = text.match(NUMBER) ?? [];
  const wanted = expected.match(NUMBER) ?? [];
  expect(text.replace(NUMBER, '#')).toBe(expected.replace(NUMBER, '#'));
  for (const [n, number] of wanted.entries()) {
    const tolerance = 1e-5 * Math.max(1, Math.abs(Number(number))) + 1e-9; // the numbers are rounded already
    expect(Math.abs(Number(found[n]) - Number(number))).toBeLessThanOrEqual(tolerance);
  }
}

/** Both runs, without and with the service. */
async function both(args: readonly string[], options: Parameters<typeof cli>[1] = {}) {
  const expected = await cli([...args, ...MODEL], options);
  const found = await cli([...args, ...server], options);
  return { expected, found };
}

describe('classify --server', () => {
  it.each([
    ['one image', [IMAGE]],
    ['a folder', ['many', '-k', '2']],
    ['json', [IMAGE, '-f', 'json']],
    ['csv and templates', [IMAGE, '-f', 'csv', '-t', 'a drawing of {}', '-t', 'bare']],
    ['tsv and a background', [IMAGE, '-f', 'tsv', '--background', '--background-prompt', 'a wall']],
    ['the first labels', [IMAGE, '-f', 'label', '--threshold', '0.4']],
    ['paths of a label', [IMAGE, '--match', 'cat', '--print0']],
    ['several labels at once', [IMAGE, '--multi-label', '--background', '-k', 'all']],
    ['a margin and a domain', [IMAGE, '--min-margin', '0.3', '--about', 'animals']],
    ['names with line breaks, and images that fail', ['a b\n"c".png', 'bad.png', 'empty.png', 'missing.png', '.']],
    ['a list', ['--files-from', 'list.txt', '--max-errors', '1']],
    ['the first failure', ['bad.png', 'a b\n"c".png', '--fail-fast']],
    ['a page', [fixture('images/rgb.png'), '--page', '2']],
    ['all pages', [fixture('images/rgb.png'), '--page', 'all', '-f', 'csv']],
    ['other decoding', [IMAGE, '--no-exif', '--background-colour', 'white', '--resize', 'fast']],
    ['a part', ['many', '--shard', '1/3']],
  ])('gives the rows and the exit code of a run without it: %s', async (_, args) => {
    const placed = args.map((arg) => (/^(many|bad|empty|missing|list|a b|\.$)/u.test(arg) ? join(folder, arg) : arg));
    const { expected, found } = await both([...placed, ...LABELS]);
    expectSame(found.stdout, expected.stdout);
    expect(found.code).toBe(expected.code);
    expect(found.stderr).toBe(expected.stderr);
  });

  it('takes labels files, label sets with their own prompts, standard input and tables', async () => {
    const stdin = await readFile(IMAGE);
    for (const [args, options] of [
      [[IMAGE, '--labels-file', join(folder, 'labels.json')], {}],
      [[IMAGE, '-l', '@photos', '--background'], {}],
      [['-', ...LABELS], { stdin }],
      [['-', ...LABELS], { stdin: Buffer.from('no picture') }],
      [[IMAGE, ...LABELS], { tty: true }],
    ] as const) {
      const { expected, found } = await both(args, options);
      expectSame(found.stdout, expected.stdout);
      expect([found.code, found.stderr]).toEqual([expected.code, expected.stderr]);
    }
  });

  it('continues an output that a run without it began, and the other way round', async () => {
    const output = join(folder, 'out.jsonl');
    const images = join(folder, 'many');
    const args = [...LABELS, '-o', output];
    await cli([join(images, '000000.png'), ...args, ...MODEL]);
    const { code, stderr } = await cli([images, ...args, ...server, '--resume']);
    expect([code, stderr.trim().split('\n').at(-1)]).toEqual([0, '40 ok, 0 failed']);
    const before = await readFile(output, 'utf8');
    expect((await cli([images, ...args, ...MODEL, '--resume'])).code).toBe(0);
    expect(await readFile(output, 'utf8')).toBe(before);
  });

  it('uses the labels of the service if there are no others', async () => {
    const { stdout } = await cli([IMAGE, '-f', 'json'], { env: { CLIP_CLASSIFY_SERVER: service.address } });
    const expected = await cli([IMAGE, '-f', 'json', '-l', 'sun,moon', ...MODEL]);
    expectSame(stdout, expected.stdout);
  });

  it('loads neither onnxruntime nor an image library', async () => {
    const spy = join(folder, 'spy.cjs');
    await writeFile(
      spy,
      `process.on('exit', () => process.stderr.write(Object.keys(require.cache).filter((file) => /onnxruntime|sharp/.test(file)).join()));`,
    );
    const env = { ...process.env, NODE_OPTIONS: `--require ${spy}` };
    const args = [IMAGE, ...LABELS, '-f', 'label', '--quiet'];
    const remote = await start([...args, ...server], env).ended;
    expect(remote).toMatchObject({ code: 0, stderr: '' });
    const local = await start([...args, ...MODEL], env).ended;
    expect(local).toMatchObject({ code: 0, stdout: remote.stdout });
    expect(local.stderr).toMatch(/onnxruntime.*sharp|sharp.*onnxruntime/u);
  });

  it.each([
    ['--from', 'x.npy'],
    ['--explain', 'x.png'],
    ['--cache-images'],
    ['--no-cache'],
    ['--batch', '8'],
    ['--timeout', '10'],
    ['--threads', '1'],
    ['--provider', 'cpu'],
    ['--device', '0'],
    ['--logit-scale', '100'],
    ['--logit-bias', '1'],
    ['--max-pixels', '1000'],
    ['--allow-svg'],
  ])('refuses %s by its name', async (...option) => {
    const { code, stderr } = await cli([IMAGE, ...LABELS, ...server, ...option]);
    expect(code).toBe(2);
    expect(stderr).toContain(`E_USAGE: ${option[0]} does not work with a server`);
  });

  it('refuses a learned classifier, and another model or data type than the service has', async () => {
    const refusal = async (...args: string[]) => (await cli([IMAGE, ...server, ...args])).stderr;
    expect(await refusal('-l', '@kinds.clf.json')).toContain('serve -l @kinds.clf.json');
    expect(await refusal(...LABELS, '-m', 'starter')).toContain('runs tiny-class, not starter');
    expect(await refusal(...LABELS, '-m', 'ViT-B/32')).toContain('runs tiny-class, not ViT-B/32');
    expect(await refusal(...LABELS, '--dtype', 'int8')).toContain('runs tiny-class as fp32, not int8');
    expect(await refusal(...LABELS, ...MODEL, '--dtype', 'fp32', '--quiet')).toBe('');
    expect(await refusal('-l', 'cat,cat')).toContain('"cat" is listed twice');
  });

  it('takes an alias of the model of the service, which need not be on this machine', async () => {
    const model = join(folder, 'clip-vit-b-32');
    await symlink(fixture('tiny-class'), model);
    const named = await serve(['--port', '0'], ['-m', model]);
    const { code, stderr } = await cli([IMAGE, ...LABELS, '--server', named.address, '-m', 'ViT-B/32', '--quiet']);
    expect([code, stderr]).toEqual([0, '']);
    await named.stop();
  });

  it('says what is wrong with the server', async () => {
    const stranger = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    for (const [address, said] of [
      [`unix:${join(folder, 'none.sock')}`, 'does not answer: no such file or folder'],
      ['http://127.0.0.1:1', 'does not answer: the connection was refused'],
      [`http://127.0.0.1:${port}`, 'does not answer like clip-classify serve'],
      ['localhost:7070', 'is not the address of a server'],
      ['http://me:secret@127.0.0.1/', 'contains a name or password'],
    ] as const) {
      const { code, stdout, stderr } = await cli([IMAGE, ...LABELS, '--server', address]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(said);
      expect(stderr).not.toContain('secret');
    }
    stranger.close();
    const { stderr } = await cli([IMAGE, ...LABELS, '--server', 'http://192.0.2.1', '--offline']);
    expect(stderr).toContain('E_OFFLINE');
  });

  it('sends a token from a file, over TCP', async () => {
    const [right, wrong] = [join(folder, 'token'), join(folder, 'wrong')];
    await writeFile(right, 'a-token-of-some-length\n');
    await writeFile(wrong, 'another-token-of-some-length\n');
    const guarded = await serve(['--port', '0', '--token-file', right]);
    const ask = (...more: string[]) => cli([IMAGE, ...LABELS, '--server', guarded.address, '--quiet', ...more]);
    expect(await ask('--server-token-file', right)).toMatchObject({ code: 0, stderr: '' });
    for (const args of [[], ['--server-token-file', wrong]]) {
      const { code, stderr } = await ask(...args);
      expect(code).toBe(2);
      expect(stderr).toContain('--server-token-file');
      expect(stderr).not.toContain('of-some-length');
    }
    await guarded.stop();
  });

  it('asks again if the service is full, is being replaced, or closes the connection', async () => {
    const socketPath = service.address.slice('unix:'.length);
    let count = 0;
    const between = createServer((incoming, outgoing) => {
      count++;
      if (count === 2)
        outgoing.writeHead(429, { 'retry-after': '1' }).end('{"error":{"code":"E_BUSY","message":"full"}}');
      else if (count === 3) outgoing.writeHead(503).end('{"error":{"code":"E_STOPPING","message":"stopping"}}');
      else if (count === 4) incoming.socket.destroy();
      else {
        const { method, url, headers } = incoming;
        const onward = request({ socketPath, method, path: url, headers }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        });
        incoming.pipe(onward);
      }
    }).listen(0, '127.0.0.1');
    await once(between, 'listening');
    const address = `http://127.0.0.1:${(between.address() as AddressInfo).port}/`;
    const found = await cli([IMAGE, ...LABELS, '--server', address]);
    expectSame(found.stdout, (await cli([IMAGE, ...LABELS, ...MODEL])).stdout);
    expect([found.code, found.stderr, count]).toEqual([0, '', 5]);
    between.close();
  });

  it('ends with 2 and whole rows if the service dies in the middle', async () => {
    const mortal = await serve(['--port', '0']);
    const images = await manyImages(join(folder, 'more'), 2_000);
    const { child, ended } = start([join(folder, 'more'), ...LABELS, '--server', mortal.address]);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    process.kill(mortal.pid, 'SIGKILL');
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(2);
    expect(stderr).toContain('E_SERVER');
    const rows = stdout.trimEnd().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { image: string }).image)).toEqual(images.slice(0, rows.length));
  });
});
