import type { Colour } from './decode-options.ts';
import type { RgbImage } from './resample.ts';

/**
 * Puts a picture on a colour.
 *
 * @param alpha for each pixel, 0 (clear) to 255 (opaque)
 * @param premultiplied the colours have been multiplied with alpha already
 */
export function onColour(image: RgbImage, alpha: Uint8Array, colour: Colour, premultiplied = false): RgbImage {
  const data = new Uint8ClampedArray(image.data.length); // rounds and clamps
  for (let n = 0; n < data.length; n++) {
    const opaque = (alpha[Math.trunc(n / 3)] as number) / 255;
    const own = (image.data[n] as number) * (premultiplied ? 1 : opaque);
    data[n] = own + (colour[(n % 3) as 0 | 1 | 2] as number) * (1 - opaque);
  }
  return { ...image, data };
}
