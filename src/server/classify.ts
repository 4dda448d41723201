import type { Embedded } from '../embed/encoder.ts';
import { jsonRow } from '../output/json.ts';
import { readClassifyRequest } from './classify-request.ts';
import { type Answer, type Exchange, type Service, withBody } from './context.ts';
import { embedImages } from './embed-images.ts';
import { labelSetOf } from './request-labels.ts';

/** Labels of an image if the request has no `top`; the same number as on the command line. */
const TOP = 5;

/** `POST /v1/classify`: rows as `-f jsonl` has them. */
export async function classify(exchange: Exchange, service: Service): Promise<Answer> {
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

async function* each(embedded: readonly Embedded[]): AsyncGenerator<Embedded> {
  yield* embedded;
}
