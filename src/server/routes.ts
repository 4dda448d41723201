import { packageVersion } from '../disk/package-version.ts';
import type { Embedded } from '../embed/encoder.ts';
import { jsonRow } from '../output/json.ts';
import { readClassifyRequest } from './classify-request.ts';
import type { Answer, Exchange, Service } from './context.ts';
import { withBody } from './context.ts';
import { embedImages } from './embed-images.ts';
import { embeddings } from './embeddings.ts';
import { huggingFace } from './hugging-face.ts';
import { Problem } from './problems.ts';
import { labelSetOf } from './request-labels.ts';

/** The default of `top`, as on the command line. */
const TOP = 5;
/** A black picture of 1 × 1 pixel, which `/v2/health/ready` encodes. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC',
  'base64',
);

export type Route = (exchange: Exchange, service: Service) => Promise<Answer>;

/** Every route, by its method and path. */
export const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/': { POST: huggingFace },
  '/v1/classify': { POST: classify },
  '/v1/embeddings': { POST: embeddings },
  '/v1/models': { GET: models },
  '/v2/health/live': { GET: async () => ({ status: 200, body: { live: true } }) },
  '/v2/health/ready': { GET: ready },
};

/** Rows in the jsonl format. */
async function classify(exchange: Exchange, service: Service): Promise<Answer> {
  return withBody(exchange, service, async (bytes) => {
    const { headers } = exchange.incoming;
    const request = await readClassifyRequest(headers, exchange.query, bytes, service.settings.limits.images);
    exchange.images = request.images.length;
    const { classifier, warnings } = await labelSetOf(service, request);
    const embedded = await embedImages(service, request.images, request.decode, exchange.signal);
    const { name: model } = service.host.clip;
    const results: object[] = [];
    const top = Math.min(request.top ?? TOP, classifier.labels.length);
    for await (const result of classifier.rank(each(embedded), { top })) results.push(jsonRow(result, model));
    return { status: 200, body: { model, results, ...(warnings.length > 0 && { warnings }) } };
  });
}

/** As OpenAI's clients read it, with the labels and limits of the service, and what rows depend on. */
async function models(_: Exchange, { host, defaults, settings }: Service): Promise<Answer> {
  const { clip } = host;
  const { logitScale, logitBias } = clip;
  const { images, labels, bodyBytes: bytes } = settings.limits;
  const model = {
    id: clip.name,
    object: 'model',
    created: 0,
    owned_by: 'clip-classify',
    version: await packageVersion(),
    digest: await clip.digest(),
    dtype: clip.dtype,
    provider: await host.provider(),
    logit_scale: logitScale,
    ...(logitBias !== undefined && { logit_bias: logitBias }),
    labels: defaults?.classifier.labels ?? [],
    templates: defaults?.classifier.templates ?? [],
    limits: { images, labels, bytes },
  };
  return { status: 200, body: { object: 'list', data: [model] } };
}

/** Runs a real inference. */
async function ready({ signal }: Exchange, service: Service): Promise<Answer> {
  const [result] = await embedImages(service, [{ name: 'health', bytes: PIXEL }], {}, signal);
  if (result?.ok) return { status: 200, body: { ready: true } };
  throw new Problem(503, 'E_MODEL', 'the model cannot be run now; look at the log of the service');
}

async function* each(embedded: readonly Embedded[]): AsyncGenerator<Embedded> {
  yield* embedded;
}
