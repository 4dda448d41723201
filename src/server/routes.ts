import { packageVersion } from '../disk/package-version.ts';
import { classify } from './classify.ts';
import type { Answer, Exchange, Service } from './context.ts';
import { embeddings } from './embeddings.ts';
import { huggingFace } from './hugging-face.ts';
import { openApiDocument } from './openapi.ts';
import * as operations from './operations.ts';
import type { Routes } from './route.ts';
import { live, metrics, models, ready } from './state.ts';

/** Every route. */
export const ROUTES: Routes = {
  '/': { POST: { respond: huggingFace, operation: operations.huggingFace } },
  '/v1/classify': { POST: { respond: classify, operation: operations.classify } },
  '/v1/embeddings': { POST: { respond: embeddings, operation: operations.embeddings } },
  '/v1/models': { GET: { respond: models, operation: operations.models } },
  '/v2/health/live': { GET: { respond: live, operation: operations.live, access: 'anybody' } },
  '/v2/health/ready': { GET: { respond: ready, operation: operations.ready } },
  '/metrics': { GET: { respond: metrics, operation: operations.metrics } },
  '/openapi.json': { GET: { respond: openApi, operation: operations.openApi } },
};

/** `GET /openapi.json` */
async function openApi(_: Exchange, { settings }: Service): Promise<Answer> {
  const isGuarded = settings.access.tokens !== undefined;
  return { status: 200, body: openApiDocument(ROUTES, await packageVersion(), isGuarded) };
}
