import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../cli/io.ts';
import { start } from '../cli/program.ts';
import { IMAGE, MODEL, type Running, serve, statusWith } from './service.ts';

const TOKEN = 'a-token-of-some-length';

let folder: string;
let service: Running;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serve-'));
  await writeFile(join(folder, 'tokens'), `${TOKEN}\n`);
  service = await serve(['--port', '0', '--allow-urls']);
}, 60_000);
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true });
});

interface Row {
  readonly image: string;
  readonly error?: { readonly code: string };
  readonly labels: readonly { readonly label: string; readonly score: number; readonly cosine: number }[];
}
interface Told {
  readonly status: number;
  readonly body: { readonly results: readonly Row[]; readonly error?: { readonly code: string } };
}

async function ask(path: string, init: RequestInit = {}, at = service.address): Promise<Told> {
  const response = await fetch(`${at}${path}`, init);
  return { status: response.status, body: (await response.json()) as Told['body'] };
}
const post = (path: string, type: string | undefined, body: string | Buffer<ArrayBuffer> | FormData) =>
  ask(path, { method: 'POST', body, ...(type !== undefined && { headers: { 'content-type': type } }) });
const json = (body: object) => post('/v1/classify', 'application/json', JSON.stringify(body));

const askWith = (headers: Record<string, string>, at = service.address, path?: string) => statusWith(headers, at, path);

async function expectedRow(args: readonly string[] = []): Promise<Row> {
  const { stdout } = await cli([IMAGE, '-l', 'cat,dog,a red house', ...MODEL, '-f', 'jsonl', '--quiet', ...args]);
  return JSON.parse(stdout);
}

function expectSame(row: Row | undefined, expected: Row): void {
  expect(row?.labels.map(({ label }) => label)).toEqual(expected.labels.map(({ label }) => label));
  for (const [n, { score, cosine }] of expected.labels.entries()) {
    expect(Math.abs((row?.labels[n]?.score as number) - score)).toBeLessThan(1e-5);
    expect(Math.abs((row?.labels[n]?.cosine as number) - cosine)).toBeLessThan(1e-5);
  }
}

describe('POST /v1/classify', () => {
  it('gives the rows of the command line, within 1e-5, in each of its three forms', async () => {
    const bytes = await readFile(IMAGE);
    const expected = await expectedRow();
    for (const type of ['image/png', undefined, 'application/x-www-form-urlencoded']) {
      const raw = await post('/v1/classify?labels=cat,dog,a%20red%20house&name=rgb.png', type, bytes);
      expect(raw.status).toBe(200);
      expect(raw.body.results[0]?.image).toBe('rgb.png');
      expectSame(raw.body.results[0], expected);
    }

    const form = new FormData();
    form.append('labels', 'cat,dog,a red house');
    form.append('images', new Blob([bytes]), 'one.png');
    form.append('images', new Blob([bytes]), 'two.png');
    const several = await post('/v1/classify', undefined, form);
    expect(several.body.results.map(({ image }) => image)).toEqual(['one.png', 'two.png']);
    for (const row of several.body.results) expectSame(row, expected);

    const data = bytes.toString('base64');
    const images = [{ name: 'a', data }, { data: `data:image/png;base64,${data}` }];
    const { body } = await json({ images, labels: ['cat', 'dog', 'a red house'] });
    for (const row of body.results) expectSame(row, expected);
  });

  it('gives the same rows for a picture that it keeps', async () => {
    const kept = await post('/v1/pictures', 'image/png', await readFile(IMAGE));
    const [{ id }] = kept.body.results as unknown as readonly [{ readonly id: string }];
    const { body } = await json({ images: [{ id }], labels: ['cat', 'dog', 'a red house'] });
    expectSame(body.results[0], await expectedRow());
  });

  it('takes the options of classify', async () => {
    const data = (await readFile(IMAGE)).toString('base64');
    const labels = ['cat', 'dog', 'a red house'];
    const { body } = await json({
      images: [{ data }],
      labels,
      templates: ['a drawing of {}'],
      top: 2,
      background: true,
    });
    expectSame(body.results[0], await expectedRow(['-t', 'a drawing of {}', '-k', '2', '--background']));
  });

  it('gives many requests at once the same rows as one', async () => {
    const bytes = await readFile(IMAGE);
    const expected = await expectedRow();
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        post(`/v1/classify?labels=cat,dog,a%20red%20house&name=${n}`, 'image/png', bytes),
      ),
    );
    expect(all.map(({ body }) => body.results[0]?.image)).toEqual(all.map((_, n) => String(n)));
    for (const { body } of all) expectSame(body.results[0], expected);
  });

  it("answers Hugging Face's zero-shot task in both forms that its clients send", async () => {
    const inputs = (await readFile(IMAGE)).toString('base64');
    const labels = ['cat', 'dog', 'a red house'];
    const template = 'a painting of {}';
    const expected = await expectedRow(['-t', template, '-k', 'all']);
    for (const [given, given_template] of [
      [inputs, template],
      [{ image: inputs }, template],
    ] as const) {
      const body = { inputs: given, parameters: { candidate_labels: labels, hypothesis_template: given_template } };
      const answer = await post('/', 'application/json', JSON.stringify(body));
      const rows = answer.body as unknown as { label: string; score: number }[];
      expect(rows.map(({ label }) => label)).toEqual(expected.labels.map(({ label }) => label));
      for (const [n, { score }] of expected.labels.entries()) expect(rows[n]?.score).toBeCloseTo(score, 5);
    }
    expect((await post('/', 'application/json', '{"inputs": 1}')).status).toBe(400);
  });

  it("gives the embeddings of embed, in the form of OpenAI's clients", async () => {
    const image = `data:image/png;base64,${(await readFile(IMAGE)).toString('base64')}`;
    const embeddingsOf = async (args: readonly string[]) =>
      (await cli(['embed', ...args, ...MODEL, '-f', 'jsonl', '--quiet'])).stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { embedding: number[] }).embedding);
    const expected = [...(await embeddingsOf(['--texts', 'a cat,a red house'])), ...(await embeddingsOf([IMAGE]))];
    const askFor = (more: object) =>
      post('/v1/embeddings', 'application/json', JSON.stringify({ input: ['a cat', 'a red house', image], ...more }));
    const { status, body } = await askFor({});
    const { data } = body as unknown as { data: { index: number; embedding: number[] }[] };
    expect([status, data.map(({ index }) => index)]).toEqual([200, [0, 1, 2]]);
    for (const [n, row] of expected.entries())
      for (const [i, value] of row.entries()) expect(data[n]?.embedding[i]).toBeCloseTo(value, 5);
    const packed = (await askFor({ encoding_format: 'base64' })).body as unknown as { data: { embedding: string }[] };
    for (const [n, { embedding }] of packed.data.entries()) {
      const bytes = Buffer.from(embedding, 'base64');
      expect(data[n]?.embedding.map((_, i) => bytes.readFloatLE(4 * i))).toEqual(data[n]?.embedding);
    }
    expect((await askFor({ model: 'another' })).status).toBe(400);
    expect((await askFor({ input: '' })).status).toBe(400);
  });

  it('returns an error for a bad image only, and results for the others', async () => {
    const good = (await readFile(IMAGE)).toString('base64');
    const cut = (await readFile(IMAGE)).subarray(0, 40).toString('base64');
    const images = [{ data: cut }, { data: good }, { data: '!' }, { url: 'http://127.0.0.1:1/a.png' }, { url: IMAGE }];
    const { status, body } = await json({ images, labels: ['cat', 'dog'] });
    expect(status).toBe(200);
    expect(body.results.map(({ error }) => error?.code)).toEqual(['E_DECODE', undefined, 'E_DECODE', 'E_URL', 'E_URL']);
  });

  it('refuses what is malformed or too large, and answers the next request', async () => {
    const bytes = await readFile(IMAGE);
    const data = bytes.toString('base64');
    const statuses = [
      await json({ images: [], labels: ['cat'] }),
      await json({ images: [{ data }] }),
      await json({ images: [{ data }], labels: ['cat', 'dog'], colour: 1 }),
      await json({ images: [{ data }], labels: Array.from({ length: 10_000 }, (_, n) => `label ${n}`) }),
      await json({ images: Array.from({ length: 65 }, () => ({ data: 'AAAA' })), labels: ['cat', 'dog'] }),
      await post('/v1/classify', 'application/json', '{"images": ['),
      await post('/v1/classify', 'multipart/form-data; boundary=x', '--x\r\nnothing'),
      await post('/v1/classify', 'multipart/form-data', 'nothing'),
      await post('/v1/classify?labels=cat,dog', 'text/plain', bytes),
      await post('/v1/classify?labels=cat,dog', 'image/png', Buffer.alloc(64_000_001)),
      await ask('/v1/classify'),
      await ask('/elsewhere'),
    ].map(({ status }) => status);
    expect(statuses).toEqual([400, 400, 400, 413, 413, 400, 400, 400, 415, 413, 405, 404]);
    expect((await ask('/v2/health/ready')).status).toBe(200);
  });
});

describe('the guard', () => {
  it('refuses foreign hosts, origins and pages of other sites', async () => {
    const { host } = new URL(service.address);
    expect(await askWith({})).toBe(200);
    expect(await askWith({ host: `evil.example:${host.split(':')[1]}` })).toBe(403);
    expect(await askWith({ origin: 'http://evil.example' })).toBe(403);
    expect(await askWith({ origin: 'null' })).toBe(403);
    expect(await askWith({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await askWith({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).toBe(200);
  });

  it('requires a token if there is a token file, and never logs it', async () => {
    const guarded = await serve(['--port', '0', '--token-file', join(folder, 'tokens'), '--log', 'json']);
    expect(await askWith({}, guarded.address)).toBe(401);
    expect(await askWith({ authorization: 'Bearer another-token-of-some-length' }, guarded.address)).toBe(401);
    expect(await askWith({ authorization: `Bearer ${TOKEN}` }, guarded.address)).toBe(200);
    expect(await askWith({}, guarded.address, '/v2/health/live')).toBe(200);
    const init = { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` }, body: await readFile(IMAGE) };
    expect((await fetch(`${guarded.address}/v1/classify?labels=cat,dog`, init)).status).toBe(200);
    const { code, stderr } = await guarded.stop();
    expect(code).toBe(0);
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ event }) => event === 'request').map(({ status }) => status)).toEqual([
      401, 401, 200, 200, 200,
    ]);
    expect(lines.at(-1)).toMatchObject({ event: 'end', exit_code: 0, ok: 1, failed: 0 });
    expect(stderr).not.toContain('of-some-length');
  });

  it('listens on another address only with a token file', async () => {
    const { code, stderr } = await cli(['serve', ...MODEL, '--host', '0.0.0.0']);
    expect(code).toBe(2);
    expect(stderr).toContain('--token-file');
  });

  it('says in words that another program listens at its port', async () => {
    const port = new URL(service.address).port;
    const { code, stderr } = await cli(['serve', ...MODEL, '--port', port]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_USAGE: cannot listen on [^;]*: another program listens there; choose/u),
    ]);
  });
});

describe('the life of the service', () => {
  it('listens on a socket of mode 0600, and removes it', async () => {
    const path = join(folder, 's.sock');
    const local = await serve(['--socket', path, '-l', 'cat,dog']);
    expect(local.address).toBe(`unix:${path}`);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await askWith({}, local.address)).toBe(200);
    await expect(serve(['--socket', path])).rejects.toThrow('is there already');
    expect((await local.stop()).code).toBe(0);
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('finishes a request that it has accepted before SIGTERM, and ends with 0', async () => {
    const one = await serve(['--port', '0']);
    const bytes = await readFile(IMAGE);
    const { hostname, port } = new URL(one.address);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/classify?labels=cat,dog HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: image/png`;
    socket.write(`${head}\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes.subarray(0, 10));
    await ask('/v2/health/ready', {}, one.address); // the request before it has been accepted
    const ended = one.stop();
    while (
      await fetch(`${one.address}/v2/health/live`).then(
        ({ status }) => status === 200,
        () => false,
      )
    );
    socket.write(bytes.subarray(10));
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toContain('200 OK');
    expect(text).toContain('"label":"');
    expect((await ended).code).toBe(0);
  });

  it('ends by itself after --idle-exit', async () => {
    const { ended } = start(['serve', ...MODEL, '--port', '0', '--idle-exit', '1']);
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});
