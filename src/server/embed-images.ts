import type { Embedded } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { Service } from './context.ts';
import type { GivenImage } from './images.ts';

/**
 * The embedding of each image, in order. A bad image is an error of that image alone.
 *
 * @throws Problem 429 if the queue is full; ModelError or ProviderError; the reason of an aborted signal
 */
export async function embedImages(
  { host, queue, settings, metrics, pictures }: Service,
  images: readonly GivenImage[],
  decode: Partial<DecodeOptions>,
  signal: AbortSignal,
): Promise<Embedded[]> {
  const options = { ...settings.decode, ...decode };
  const known = images.map((image): Embedded | undefined => {
    if ('error' in image) return { ok: false, image: image.name, error: image.error };
    if ('id' in image) return pictures.find(image.id);
    return 'url' in image ? refusedUrl(image, settings.urls) : undefined;
  });
  const encode = async (image: GivenImage): Promise<Embedded> => {
    if ('bytes' in image) return host.encodeImage(image, options);
    if (!('url' in image)) throw new Error('the image has neither bytes nor a URL');
    return { ...(await host.encodeImage(image.url, options)), image: image.name };
  };
  const missing = images.filter((_, n) => known[n] === undefined);
  const encoded = await queue.run(
    missing.map((image) => () => encode(image)),
    signal,
  );
  const all = known.map((one) => one ?? (encoded.shift() as Embedded));
  for (const one of all) {
    metrics.image(one.ok ? 'ok' : one.error.code);
    settings.onImage(one);
  }
  return all;
}

function refusedUrl({ name, url }: { readonly name: string; readonly url: string }, allowed: boolean) {
  const refuse = (fact: string, nextStep: string): Embedded => {
    return { ok: false, image: name, error: new ImageError('E_URL', fact, nextStep) };
  };
  if (!/^https?:\/\//iu.test(url))
    return refuse('the URL does not begin with http:// or https://', 'send such a URL, or the bytes of the image');
  if (allowed) return undefined;
  return refuse('this service does not download images', 'send the bytes, or start the service with --allow-urls');
}
