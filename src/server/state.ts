import { packageVersion } from '../disk/package-version.ts';
import { templateSets } from '../text/prompts.ts';
import { type Answer, Content, type Exchange, type Service } from './context.ts';
import { embedImages } from './embed-images.ts';
import { Problem } from './problems.ts';

/** A black picture of 1 × 1: `/v2/health/ready` has it encoded. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNgYGAAAAAEAAH2FzhVAAAAAElFTkSuQmCC',
  'base64',
);

/** `GET /v1/models`: as OpenAI's clients read it, with the labels and limits of the service, and what rows depend on. */
export async function models(_: Exchange, { host, defaults, settings }: Service): Promise<Answer> {
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
    template_sets: [...templateSets().keys()],
    heat_map: clip.contents.kind === 'checkpoint',
    limits: { images, labels, bytes },
  };
  return { status: 200, body: { object: 'list', data: [model] } };
}

/** `GET /v2/health/live` */
export async function live(): Promise<Answer> {
  return { status: 200, body: { live: true } };
}

/** `GET /v2/health/ready`: runs a real inference. */
export async function ready({ signal }: Exchange, service: Service): Promise<Answer> {
  const [result] = await embedImages(service, [{ name: 'health', bytes: PIXEL }], {}, signal);
  if (result?.ok) return { status: 200, body: { ready: true } };
  throw new Problem(503, 'E_MODEL', 'the model cannot be run now; look at the log of the service');
}

/** `GET /metrics` */
export async function metrics(_: Exchange, service: Service): Promise<Answer> {
  const { type, text } = await service.metrics.text();
  return { status: 200, body: new Content(type, text) };
}
