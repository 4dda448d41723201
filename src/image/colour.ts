import type { Colour } from './decode-options.ts';
import type { RgbImage } from './resample.ts';

/** The colours of CSS 2.1, and the other names that CSS 3 has for them. */
const NAMED: Readonly<Record<string, Colour>> = {
  black: [0, 0, 0],
  silver: [192, 192, 192],
  gray: [128, 128, 128],
  grey: [128, 128, 128],
  white: [255, 255, 255],
  maroon: [128, 0, 0],
  red: [255, 0, 0],
  purple: [128, 0, 128],
  fuchsia: [255, 0, 255],
  magenta: [255, 0, 255],
  green: [0, 128, 0],
  lime: [0, 255, 0],
  olive: [128, 128, 0],
  yellow: [255, 255, 0],
  navy: [0, 0, 128],
  blue: [0, 0, 255],
  teal: [0, 128, 128],
  aqua: [0, 255, 255],
  cyan: [0, 255, 255],
  orange: [255, 165, 0],
};

/** `white`, `#fff` or `#ffffff`; undefined for anything else. */
export function parseColour(text: string): Colour | undefined {
  const lower = text.trim().toLowerCase();
  if (Object.hasOwn(NAMED, lower)) return NAMED[lower];
  const hex = /^#?(?:([0-9a-f])([0-9a-f])([0-9a-f])|([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2}))$/u.exec(lower);
  if (hex === null) return undefined;
  const [, r, g, b, rr, gg, bb] = hex;
  const parse = (one: string | undefined, two: string | undefined) => Number.parseInt(two ?? `${one}${one}`, 16);
  return [parse(r, rr), parse(g, gg), parse(b, bb)];
}

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
