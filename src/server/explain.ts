import { requireCheckpoint } from '../explain.ts';
import { checkLabels, type Label } from '../text/labels.ts';
import { expandTemplates, promptsOf } from '../text/prompts.ts';
import { readClassifyRequest } from './classify-request.ts';
import { type Answer, Content, type Exchange, type Service, withBody } from './context.ts';
import { badRequest } from './problems.ts';

/** `POST /v1/explain`: the heat map of one label over one picture, as a PNG. */
export async function explain(exchange: Exchange, service: Service): Promise<Answer> {
  const { host, settings, heatMaps } = service;
  return withBody(exchange, service, async (bytes) => {
    requireCheckpoint(host.clip);
    const { headers } = exchange.incoming;
    const request = await readClassifyRequest(headers, exchange.query, bytes, 1);
    const { images, labels = [], classifier, decode } = request;
    const [image] = images;
    if (image === undefined || !('bytes' in image)) throw badRequest('a heat map needs the bytes of one image');
    if (labels.length !== 1) throw badRequest(`a heat map needs one label; there are ${labels.length}`);
    exchange.images = 1;
    const templates = expandTemplates(classifier.templates ?? ['photo']);
    const [label] = checkLabels(labels) as [Label];
    const { rows } = await service.labels.encodeLabels([promptsOf(label, templates)]);
    const order = { ...image, label: label.label, row: rows.data, decode: { ...settings.decode, ...decode } };
    const png = await heatMaps.draw(order, exchange.signal);
    return { status: 200, body: new Content('image/png', png) };
  });
}
