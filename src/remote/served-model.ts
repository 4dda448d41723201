import { pMapIterable } from 'p-map';
import type { ClassifierOptions, ImageResult } from '../classifier.ts';
import { Held } from '../embed/held.ts';
import { type PageOfImage, pagesOf } from '../embed/pages.ts';
import { ImageError, ServerError } from '../errors.ts';
import { completeDecode, type DecodeOptions } from '../image/decode-options.ts';
import { type ImageIdentity, type ImageSource, identityOf, readSource } from '../image/source.ts';
import type { Dtype } from '../model/choices.ts';
import type { Label } from '../text/labels.ts';
import { CLASSIFIED, MODELS, readAnswer, resultOf } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { formOf } from './form.ts';

/** The most images that are read at once. */
const READERS = 8;
/** The most images that are sent at once: enough for the service to fill its batches. */
const AHEAD = 48;
/** The most bytes of sent images in memory. One more image may be held. */
const HELD_BYTES = 64_000_000;
/** Bytes of a form besides its image and options. */
const FORM_BYTES = 1_000;
/** Milliseconds. The first request hashes the weights; the first one with new labels encodes them. */
const MODEL_SILENCE_MS = 60_000;
const IMAGE_SILENCE_MS = 300_000;

/** The parameters for each image. */
export interface ServedRequest {
  /** Undefined for the labels of the service. */
  readonly labels?: readonly Label[];
  readonly classifier: ClassifierOptions;
  readonly top: number;
  readonly decode: Partial<DecodeOptions>;
  /** Each page of a TIFF and each frame of a GIF or WebP is a result of its own. */
  readonly allPages: boolean;
}

/** The model of a service, with the interface of a model in this process. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly dtype: Dtype;
  readonly logitScale: number;
  readonly logitBias?: number;
  /** The labels of the service, for requests without labels. */
  readonly labels: readonly string[];
  readonly templates: readonly string[];
  digest(): Promise<string>;
  provider(): Promise<string>;
  /** One result per image, in order. Memory does not grow with the number of images. @throws ServerError, LabelsError or UsageError */
  classify(images: AsyncIterable<ImageSource>, request: ServedRequest): AsyncIterable<ImageResult>;
  release(): Promise<void>;
}

/** An image in memory, or the error of reading it. */
type Read = { readonly identity: ImageIdentity; readonly page?: number } & (
  | { readonly bytes: Uint8Array }
  | { readonly error: ImageError }
);

/**
 * Asks a service what it runs.
 *
 * @param fetchImage downloads an image by its URL
 * @param onWarning told once what the service says about the labels
 * @throws ServerError if it does not answer as it should
 */
export async function openServedModel(
  connection: ServerConnection,
  fetchImage: (url: string) => Promise<Uint8Array>,
  onWarning: (message: string) => void,
): Promise<ServedModel> {
  const reply = await connection.send({ method: 'GET', path: 'v1/models', silenceMs: MODEL_SILENCE_MS });
  const [model] = readAnswer(MODELS, reply, connection).data;
  const { id: name, limits, logit_bias: logitBias } = model;
  const told = new Set<string>();
  const warn = (message: string) => {
    if (!told.has(message)) onWarning(message);
    told.add(message);
  };

  const read = async (given: ImageSource | PageOfImage, asked: number, mostBytes: number): Promise<Read> => {
    const isPage = 'source' in given;
    const { source, page } = isPage ? given : { source: given, page: asked > 1 ? asked : undefined };
    const image = { identity: identityOf(source), ...(page !== undefined && { page }) };
    const limit = async (size: number) => {
      if (size > mostBytes) throw tooLarge(source.name, size, mostBytes);
    };
    try {
      const bytes = source.kind === 'url' ? await fetchImage(source.url) : await readSource(source, limit);
      await limit(bytes.length);
      return { ...image, bytes };
    } catch (error) {
      if (error instanceof ImageError) return { ...image, error };
      throw error;
    }
  };

  const ask = async ({ identity, page, ...image }: Read, options: object): Promise<ImageResult> => {
    const paged = page === undefined ? identity : { ...identity, page };
    if ('error' in image) return { ...paged, ok: false, error: image.error };
    const { type, parts, name: sentAs } = formOf(page === undefined ? options : { ...options, page }, image.bytes);
    const message = { method: 'POST', path: 'v1/classify', type, body: parts, silenceMs: IMAGE_SILENCE_MS } as const;
    const answer = readAnswer(CLASSIFIED, await connection.send(message), connection);
    if (answer.model !== name)
      throw new ServerError(`the server at ${connection.address.name} now runs ${answer.model}`, 'start the run again');
    for (const warning of answer.warnings) warn(warning);
    return resultOf(answer.results[0], paged, sentAs);
  };

  return {
    name,
    version: model.version,
    dtype: model.dtype,
    logitScale: model.logit_scale,
    ...(logitBias !== undefined && { logitBias }),
    labels: model.labels,
    templates: model.templates,
    digest: async () => model.digest,
    provider: async () => model.provider,
    classify(images, request) {
      const options = fieldsOf(request);
      const mostBytes = limits.bytes - Buffer.byteLength(JSON.stringify(options)) - FORM_BYTES;
      const held = new Held(HELD_BYTES);
      const readOne = (one: ImageSource | PageOfImage) => read(one, request.decode.page ?? 1, mostBytes);
      const bytesOf = (image: Read) => ('bytes' in image ? image.bytes.length : 0);
      const given: AsyncIterable<ImageSource | PageOfImage> = request.allPages ? pagesOf(images) : images;
      const readAhead = pMapIterable(given, readOne, { concurrency: READERS });
      const send = (image: Read) => ask(image, options).finally(() => held.release(bytesOf(image)));
      return pMapIterable(held.throttle(readAhead, bytesOf), send, { concurrency: AHEAD });
    },
    release: async () => connection.close(),
  };
}

/** The fields of a request: everything that rows depend on, because the service may have other defaults. */
function fieldsOf({ labels, classifier, top, decode }: ServedRequest): object {
  const { templates, about, level, none, nonePrompts, threshold, minMargin, multiLabel } = classifier;
  const { exif, resize, page, background } = completeDecode(decode);
  return {
    labels,
    templates,
    about,
    level,
    background: none,
    backgroundPrompts: nonePrompts,
    threshold,
    minMargin,
    multiLabel,
    top: top === Number.POSITIVE_INFINITY ? 'all' : top,
    exif,
    resize,
    page,
    backgroundColour: background && `#${background.map((part) => part.toString(16).padStart(2, '0')).join('')}`,
  };
}

function tooLarge(name: string, size: number, limit: number): ImageError {
  const fact = `${name} has ${size} bytes; the server takes ${limit}`;
  return new ImageError('E_FILE_SIZE', fact, 'make a smaller copy of the image, or remove --server');
}
