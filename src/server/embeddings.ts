import * as v from 'valibot';
import type { Clip } from '../clip.ts';
import { rowOf, type UnitRows } from '../tensor.ts';
import { readJsonObject } from './classify-request.ts';
import { type Answer, type Exchange, type Service, withBody } from './context.ts';
import { embedImages } from './embed-images.ts';
import { type GivenImage, imageOfText } from './images.ts';
import { parsed } from './parameters.ts';
import { badRequest, tooLarge } from './problems.ts';

const INPUT = v.union([
  v.string(),
  v.strictObject({ text: v.string() }),
  v.strictObject({ image: v.string() }),
  v.strictObject({ url: v.string() }),
]);

/** As OpenAI's clients send it; `modality` as infinity's, objects as Jina's. */
export const REQUEST = v.object({
  model: v.optional(v.string()),
  input: v.union([INPUT, v.array(INPUT)]),
  modality: v.optional(v.picklist(['text', 'image'])),
  encoding_format: v.optional(v.picklist(['float', 'base64'])),
  dimensions: v.optional(v.number()),
});

/** A text, or an image. */
type Item = { readonly text: string } | GivenImage;

/** `POST /v1/embeddings`: unit embeddings of texts and images. An image that fails makes the request fail. */
export async function embeddings(exchange: Exchange, service: Service): Promise<Answer> {
  return withBody(exchange, service, async (bytes) => {
    const request = parsed(REQUEST, readJsonObject(exchange.incoming.headers, bytes));
    const { clip } = service.host;
    requireModel(request.model, clip);
    const inputs = Array.isArray(request.input) ? request.input : [request.input];
    const items = inputs.map((input, n) => itemOf(input, request.modality, n));
    requireCount(items, service);
    const images = items.flatMap((item) => ('text' in item ? [] : [item]));
    exchange.images = images.length;
    const texts = items.flatMap((item) => ('text' in item ? [item.text] : []));
    const rows = texts.length > 0 ? await service.labels.encodeLabels(texts.map((text) => [text])) : undefined;
    const embedded = await embedImages(service, images, {}, exchange.signal);
    let [text, image] = [0, 0];
    const found = items.map((item): UnitRows => {
      if ('text' in item && rows !== undefined) return rowOf(rows.rows, text++);
      const one = embedded[image++];
      if (!one?.ok) throw one?.error ?? badRequest('an image has no embedding');
      return one.embedding;
    });
    const [first] = found;
    if (request.dimensions !== undefined && request.dimensions !== first?.columns)
      throw badRequest(
        `"dimensions" is ${request.dimensions}, but the embeddings of ${clip.name} have ${first?.columns}`,
      );
    const tokens = await countTokens(clip, texts);
    const body = {
      object: 'list',
      data: found.map(({ data }, index) => ({
        object: 'embedding',
        index,
        embedding: request.encoding_format === 'base64' ? base64Of(data) : [...data],
      })),
      model: clip.name,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
    return { status: 200, body };
  });
}

/** @throws Problem 400 */
function requireModel(model: string | undefined, { name }: Clip): void {
  if (model !== undefined && model !== name)
    throw badRequest(`the model is "${model.slice(0, 60)}", but this service has ${name}`);
}

/** A string is a text, unless it is a data: URI of an image or `modality` says otherwise. */
function itemOf(input: v.InferOutput<typeof INPUT>, modality: 'text' | 'image' | undefined, n: number): Item {
  const name = `input ${n}`;
  if (typeof input !== 'string') {
    if ('text' in input) return requireText(input.text, name);
    return imageOf('url' in input ? input.url : input.image, name);
  }
  const isImage = modality === 'image' || (modality === undefined && /^data:image\//iu.test(input));
  return isImage ? imageOf(input, name) : requireText(input, name);
}

function imageOf(text: string, name: string): GivenImage {
  return /^https?:\/\//iu.test(text) ? { name, url: text } : imageOfText(text, name);
}

function requireText(text: string, name: string): Item {
  if (text.trim() === '') throw badRequest(`${name} is an empty text`);
  return { text };
}

function requireCount(items: readonly Item[], { settings }: Service): void {
  if (items.length === 0) throw badRequest('"input" is empty');
  const images = items.filter((item) => !('text' in item)).length;
  const { images: mostImages, labels: mostTexts } = settings.limits;
  if (images > mostImages) throw tooLarge(`there are ${images} images; the limit is ${mostImages}`);
  if (items.length - images > mostTexts)
    throw tooLarge(`there are ${items.length - images} texts; the limit is ${mostTexts}`);
}

async function countTokens(clip: Clip, texts: readonly string[]): Promise<number> {
  const tokenizer = await clip.tokenizer();
  // A foreign tokenizer may never end, so it runs in worker processes only.
  if (tokenizer.isForeign) return 0;
  return texts.reduce((sum, text) => sum + tokenizer.encode(text).ids.length, 0);
}

/** Little-endian float32, whatever the machine is. */
function base64Of(data: Float32Array): string {
  const bytes = Buffer.alloc(data.length * Float32Array.BYTES_PER_ELEMENT);
  for (const [n, value] of data.entries()) bytes.writeFloatLE(value, n * Float32Array.BYTES_PER_ELEMENT);
  return bytes.toString('base64');
}
