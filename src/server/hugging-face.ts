import * as v from 'valibot';
import { readJsonObject } from './classify-request.ts';
import { type Answer, type Exchange, type Service, withBody } from './context.ts';
import { embedImages } from './embed-images.ts';
import { imageOfText } from './images.ts';
import { parsed } from './parameters.ts';
import { badRequest } from './problems.ts';
import { labelSetOf } from './request-labels.ts';

/** huggingface_hub sends `inputs` as base64, @huggingface/inference as `{ image: base64 }`. */
export const REQUEST = v.object({
  inputs: v.union([v.string(), v.object({ image: v.string() })]),
  parameters: v.optional(
    v.object({
      candidate_labels: v.optional(v.array(v.string())),
      hypothesis_template: v.optional(v.string()),
    }),
  ),
});

/** `POST /`: Hugging Face's zero-shot image classification task. The template is that of `photo`, unless one is sent. */
export async function huggingFace(exchange: Exchange, service: Service): Promise<Answer> {
  return withBody(exchange, service, async (bytes) => {
    const { inputs, parameters = {} } = parsed(REQUEST, readJsonObject(exchange.incoming.headers, bytes));
    const { candidate_labels: labels, hypothesis_template: template } = parameters;
    const image = imageOfText(typeof inputs === 'string' ? inputs : inputs.image, 'image 1');
    exchange.images = 1;
    const { classifier } = await labelSetOf(service, {
      ...(labels !== undefined && { labels }),
      classifier: template === undefined ? {} : { templates: [template] },
    });
    const [embedded] = await embedImages(service, [image], {}, exchange.signal);
    if (embedded === undefined) throw badRequest('there is no image');
    if (!embedded.ok) throw embedded.error;
    for await (const result of classifier.rank(one(embedded), { top: classifier.labels.length }))
      if (result.ok) return { status: 200, body: result.labels.map(({ label, score }) => ({ label, score })) };
    throw badRequest('there is no image');
  });
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
