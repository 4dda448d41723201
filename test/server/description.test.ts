import { readFile } from 'node:fs/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import parsePrometheus from 'parse-prometheus-text-format';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IMAGE, type Running, serve } from './service.ts';

const ORIGIN = 'https://photos.example';

let service: Running;
let document: Document;
beforeAll(async () => {
  service = await serve(['--port', '0', '-l', 'cat,dog', '--allow-origin', ORIGIN]);
  document = (await (await fetch(`${service.address}/openapi.json`)).json()) as Document;
}, 60_000);
afterAll(() => service.stop());

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: object;
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Record<string, { readonly content: Record<string, { readonly schema: object }> }>;
}

/** A request for each operation. */
async function requests(): Promise<Record<string, RequestInit>> {
  const bytes = await readFile(IMAGE);
  const data = bytes.toString('base64');
  const form = new FormData();
  form.append('images', new Blob([bytes]), 'a.png');
  form.append('labels', 'cat');
  const json = (body: object) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return {
    'post /': json({ inputs: data, parameters: { candidate_labels: ['cat', 'dog'] } }),
    'get /': {},
    'post /v1/pictures': json({ images: [{ data }, { data: 'AAAA' }] }),
    'post /v1/explain': { method: 'POST', body: form },
    'post /v1/classify': json({ images: [{ data }, { data: 'AAAA' }] }),
    'post /v1/embeddings': json({ input: ['a cat', `data:image/png;base64,${data}`] }),
    'get /v1/models': {},
    'get /v2/health/live': {},
    'get /v2/health/ready': {},
    'get /metrics': {},
    'get /openapi.json': {},
  };
}

describe('/openapi.json', () => {
  it('is valid OpenAPI', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
  });

  it('describes every route that answers, and every described route answers as described', async () => {
    const { error } = (await (await fetch(`${service.address}/elsewhere`)).json()) as { error: { message: string } };
    const [, named = ''] = /use (.*)$/u.exec(error.message) ?? [];
    expect(Object.keys(document.paths)).toEqual(named.split(', '));
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    const known = await requests();
    expect(described.sort()).toEqual(Object.keys(known).sort());
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema({ $id: 'https://service/', components: document.components });
    for (const one of described) {
      const [method = '', path = ''] = one.split(' ');
      const response = await fetch(`${service.address}${path}`, known[one] ?? {});
      const content = document.paths[path]?.[method]?.responses[String(response.status)]?.content ?? {};
      const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
      expect(Object.keys(content), one).toContain(type);
      if (type !== 'application/json') continue;
      const schema = JSON.parse(JSON.stringify(content[type]?.schema).replaceAll('"#/', '"https://service/#/'));
      const isValid = ajv.validate(schema, await response.json());
      expect(ajv.errorsText(), one).toBe('No errors');
      expect(isValid).toBe(true);
    }
  });

  it('names the methods that a path takes', async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const response = await fetch(`${service.address}${path}`, { method: 'DELETE' });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')?.toLowerCase().split(', ').sort()).toEqual(Object.keys(methods).sort());
    }
  });

  it('lists the parameters that classify takes, and no other', async () => {
    const known = document.paths['/v1/classify']?.['post']?.parameters?.map(({ name }) => name) ?? [];
    const response = await fetch(`${service.address}/v1/classify?colour=1`, { method: 'POST', body: 'x' });
    const { error } = (await response.json()) as { error: { message: string } };
    expect(known).toEqual(['name', ...(/use (.*)$/u.exec(error.message)?.[1]?.split(', ') ?? [])]);
  });
});

describe('/metrics', () => {
  it('counts requests and images in the text format of Prometheus', async () => {
    const read = async () => {
      const text = await (await fetch(`${service.address}/metrics`)).text();
      const families = new Map(parsePrometheus(text).map((family) => [family.name, family]));
      return (name: string, labels: Record<string, string>) => {
        const matches = (given: Record<string, string> = {}) =>
          Object.entries(labels).every(([key, value]) => given[key] === value);
        return Number(families.get(name)?.metrics.find((metric) => matches(metric.labels))?.value ?? 0);
      };
    };
    const old = await read();
    const body = await readFile(IMAGE);
    for (const bytes of [body, body, body.subarray(0, 40)])
      await fetch(`${service.address}/v1/classify`, { method: 'POST', body: new Blob([bytes]) });
    const now = await read();
    const added = (name: string, labels: Record<string, string>) => now(name, labels) - old(name, labels);
    expect(added('clip_classify_requests_total', { route: '/v1/classify', status: '200' })).toBe(3);
    expect(added('clip_classify_images_total', { result: 'ok' })).toBe(2);
    expect(added('clip_classify_images_total', { result: 'E_DECODE' })).toBe(1);
    expect(now('clip_classify_queue_images', {})).toBe(0);
    expect(now('clip_classify_info', { model: 'tiny-class' })).toBe(1);
  });
});

describe('--allow-origin', () => {
  const ask = (origin: string, init: RequestInit = {}) =>
    fetch(`${service.address}/v1/models`, { ...init, headers: { ...init.headers, origin } });

  it('lets pages of a listed origin read answers', async () => {
    const response = await ask(ORIGIN);
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(response.headers.get('vary')).toBe('origin');
  });

  it('answers their preflights, and those of no other origin', async () => {
    const headers = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
    const listed = await ask(ORIGIN, { method: 'OPTIONS', headers });
    expect([listed.status, listed.headers.get('access-control-allow-headers')]).toEqual([
      204,
      'authorization, content-type',
    ]);
    const other = await ask('https://evil.example', { method: 'OPTIONS', headers });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });

  it('takes origins alone', async () => {
    for (const origin of ['*', 'null', 'photos.example', 'https://photos.example/page'])
      await expect(serve(['--port', '0', '--allow-origin', origin])).rejects.toThrow('is not an origin');
  });
});
