import { packageVersion } from '../disk/package-version.ts';
import { classify } from './classify.ts';
import type { Answer, Exchange, Service } from './context.ts';
import { embeddings } from './embeddings.ts';
import { explain } from './explain.ts';
import { huggingFace } from './hugging-face.ts';
import { keepPictures } from './keep-pictures.ts';
import { openApiDocument } from './openapi.ts';
import * as operations from './operations.ts';
import { page } from './page.ts';
import type { Routes } from './route.ts';
import { live, metrics, models, ready } from './state.ts';

/** Every route. */
export const ROUTES: Routes = {
  '/': {
    GET: { respond: page, operation: operations.page, access: 'link' },
    POST: { respond: huggingFace, operation: operations.huggingFace },
  },
  '/v1/classify': { POST: { respond: classify, operation: operations.classify } },
  '/v1/pictures': { POST: { respond: keepPictures, operation: operations.keepPictures } },
  '/v1/explain': { POST: { respond: explain, operation: operations.explain } },
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
