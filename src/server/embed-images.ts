import type { Embedded } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { isUrl } from '../image/url.ts';
import type { Service } from './context.ts';
import type { GivenImage } from './images.ts';

/**
 * The embedding of each image, in order. A bad image is an error of that image alone.
 *
 * @throws Problem 429 if the queue is full; ModelError or ProviderError; the reason of an aborted signal
 */
export async function embedImages(
  { host, pictures, queue, settings, metrics }: Service,
  images: readonly GivenImage[],
  decode: Partial<DecodeOptions>,
  signal: AbortSignal,
): Promise<Embedded[]> {
  const encode = async (image: GivenImage): Promise<Embedded> => {
    if ('bytes' in image) return host.encodeImage(image, decode);
    if (!('url' in image)) throw new Error('the image is not to be encoded');
    return { ...(await host.encodeImage(image.url, decode)), image: image.name };
  };
  const known = images.map((image): Embedded | undefined => {
    if ('error' in image) return { ok: false, image: image.name, error: image.error };
    if ('id' in image) {
      const kept = pictures.find(image.id);
      return image.name === undefined ? kept : { ...kept, image: image.name };
    }
    return 'url' in image ? refusedUrl(image, settings.urls) : undefined;
  });
  const missing = images.filter((_, n) => known[n] === undefined);
  const encoded = await queue.run(
    missing.map((image) => () => encode(image)),
    signal,
  );
  const results = known.map((one) => one ?? (encoded.shift() as Embedded));
  for (const result of results) metrics.image(result.ok ? 'ok' : result.error.code);
  return results;
}

function refusedUrl({ name, url }: { readonly name: string; readonly url: string }, allowed: boolean): Embedded | undefined {
  const refuse = (fact: string, nextStep: string): Embedded => {
    return { ok: false, image: name, error: new ImageError('E_URL', fact, nextStep) };
  };
  if (!isUrl(url)) return refuse('the URL does not begin with http:// or https://', 'send such a URL, or the bytes of the image');
  if (allowed) return undefined;
  return refuse('this service does not download images', 'send the bytes, or start the service with --allow-urls');
}
