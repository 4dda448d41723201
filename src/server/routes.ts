import type { ClassifierOptions, ImageResult } from '../classifier.ts';
import type { Embedded } from '../embed/encoder.ts';
import { isLearned } from '../learn/learned.ts';
import { errorField } from '../output/flags.ts';
import { jsonRow, toJson } from '../output/json.ts';
import { templateSets } from '../text/prompts.ts';
import { type ClassifyRequest, readClassifyRequest } from './classify-request.ts';
import { type RequestContext, type Service, withBody } from './context.ts';
import { embedImages } from './embed-images.ts';
import type { LabelSet } from './label-memory.ts';
import type { Parameters } from './parameters.ts';
import { badRequest, Problem, tooLarge } from './problems.ts';

/** Labels of an image, unless a request says otherwise: as on the command line. */
const TOP = 5;

/** `POST /v1/classify`: rows as `-f jsonl` has them. */
export async function classify(c: RequestContext, service: Service): Promise<Response> {
  return withBody(c, service, async (bytes) => {
    const request = await readRequest(c, service, bytes);
    const { classifier, warnings } = await labelSetOf(service, request);
    const embedded = await embedImages(service, request.images, request.decode, c.get('signal'));
    const { name: model } = service.host.clip;
    const results: object[] = [];
    for await (const result of classifier.rank(each(embedded), { top: topOf(request, classifier.labels.length) }))
      results.push(jsonRow(result, model));
    return json({ model, results, ...(warnings.length > 0 && { warnings }) });
  });
}

/** `POST /v1/pictures`: keeps the embeddings of pictures, so that `/v1/classify` takes their ids. */
export async function keepPictures(c: RequestContext, service: Service): Promise<Response> {
  return withBody(c, service, async (bytes) => {
    const { images, decode } = await readRequest(c, service, bytes);
    const embedded = await embedImages(service, images, decode, c.get('signal'));
    const results = embedded.map((one) => {
      if (one.ok) return { image: one.image, id: service.pictures.keep(one) };
      return { image: one.image, ...errorField(one.error) };
    });
    return json({ model: service.host.clip.name, results });
  });
}

/** `POST /v1/explain`: the heat map of one label over one image, as a PNG. */
export async function explain(c: RequestContext, service: Service): Promise<Response> {
  return withBody(c, service, async (bytes) => {
    const { images, labels = [], classifier, decode } = await readRequest(c, service, bytes);
    const [image, another] = images;
    const [label, more] = labels;
    if (image === undefined || another !== undefined || !('bytes' in image))
      throw badRequest('a heat map needs the bytes of one image');
    if (label === undefined || more !== undefined) throw badRequest('a heat map needs one label');
    const { templates } = classifier;
    const png = await service.explain.draw(
      { ...service.explanation, ...image, label, templates, decode },
      c.get('signal'),
    );
    return new Response(new Uint8Array(png), { headers: { 'content-type': 'image/png' } });
  });
}

/** `GET /v1/models`: as OpenAI's clients read it, with what the page needs to know. */
export async function models(_: RequestContext, service: Service): Promise<Response> {
  const { host, defaults, settings } = service;
  const { clip } = host;
  const model = {
    id: clip.name,
    object: 'model',
    created: 0,
    owned_by: 'clip-classify',
    provider: await clip.provider(),
    dtype: clip.dtype,
    labels: defaults?.classifier.labels ?? [],
    templates: defaults?.classifier.templates ?? [],
    template_sets: [...templateSets().keys()],
    heat_map: clip.contents.kind === 'checkpoint',
    limits: { images: settings.limits.images, labels: settings.limits.labels, bytes: settings.limits.bodyBytes },
  };
  return json({ object: 'list', data: [model] });
}

async function readRequest(c: RequestContext, { settings }: Service, bytes: Buffer): Promise<ClassifyRequest> {
  const { headers } = c.env.incoming;
  const query = new URL(c.req.url).searchParams;
  const request = await readClassifyRequest(headers, query, bytes, settings.limits.images);
  c.set('images', request.images.length);
  return request;
}

/** The labels of a request, or those of the service. @throws LabelsError, UsageError; Problem 400, 413 or 429 */
export async function labelSetOf(
  { host, labels: memory, settings, defaults }: Service,
  { labels, classifier: options }: Pick<Parameters, 'labels' | 'classifier'>,
): Promise<LabelSet> {
  if (labels !== undefined) {
    const { labels: most } = settings.limits;
    if (labels.length > most) throw tooLarge(`there are ${labels.length} labels; the limit is ${most}`);
    return memory.classifier(host.clip, labels, options);
  }
  if (settings.defaults === undefined || defaults === undefined)
    throw badRequest('there are no labels; add labels=cat,dog to the address, or "labels" to the body');
  if (Object.keys(options).length === 0) return defaults;
  const { labels: own, ...others } = settings.defaults;
  const merged: ClassifierOptions = { ...others, ...options };
  if (isLearned(own) && options.templates !== undefined) throw badRequest('the labels of this service have templates of their own');
  return memory.classifier(host.clip, own, merged, true);
}

function topOf({ top = TOP }: Parameters, labels: number): number {
  return Math.min(top, labels);
}

async function* each(embedded: readonly Embedded[]): AsyncGenerator<Embedded> {
  yield* embedded;
}

export function json(value: object, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${toJson(value)}\n`, { status, headers: { 'content-type': 'application/json', ...headers } });
}

/** What a client is told of a request that failed. */
export function problemResponse({ status, code, message, headers }: Problem): Response {
  return json({ error: { code, message } }, status, headers);
}

export type { ImageResult };
