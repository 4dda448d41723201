import { errorField } from '../output/flags.ts';
import { readClassifyRequest } from './classify-request.ts';
import { type Answer, type Exchange, type Service, withBody } from './context.ts';
import { embedImages } from './embed-images.ts';

/** `POST /v1/pictures`: keeps the embeddings of pictures; `/v1/classify` then takes their ids. */
export async function keepPictures(exchange: Exchange, service: Service): Promise<Answer> {
  return withBody(exchange, service, async (bytes) => {
    const { headers } = exchange.incoming;
    const { images, decode } = await readClassifyRequest(
      headers,
      exchange.query,
      bytes,
      service.settings.limits.images,
    );
    exchange.images = images.length;
    const embedded = await embedImages(service, images, decode, exchange.signal);
    const results = embedded.map((one) => ({
      image: one.image,
      ...(one.ok ? { id: service.pictures.keep(one) } : errorField(one.error)),
    }));
    return { status: 200, body: { model: service.host.clip.name, results } };
  });
}
