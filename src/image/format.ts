/** What this package reads. libvips knows more; only these get to it. */
export type ImageFormat = 'JPEG' | 'PNG' | 'WebP' | 'GIF' | 'TIFF' | 'AVIF' | 'SVG';

/** The first bytes of each; a file's name says nothing. */
const MAGIC: readonly (readonly [format: ImageFormat, at: number, magic: RegExp])[] = [
  ['JPEG', 0, /^\xff\xd8\xff/],
  ['PNG', 0, /^\x89PNG\r\n\x1a\n/],
  ['GIF', 0, /^GIF8[79]a/],
  ['WebP', 0, /^RIFF[\s\S]{4}WEBP/],
  ['TIFF', 0, /^(II[\x2a\x2b]\0|MM\0[\x2a\x2b])/],
  ['AVIF', 4, /^ftyp(avif|avis|mif1|msf1|miaf)/],
  ['SVG', 0, /^(\xef\xbb\xbf)?\s*<[\s\S]*<(\w{1,20}:)?svg[\s>/]|^(\xef\xbb\xbf)?\s*<svg[\s>/]/],
];

/** A format must show itself in so many bytes. */
const SNIFFED = 1024;

/** The format that the first bytes announce, if it is one of ours. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SNIFFED)).toString('latin1');
  return MAGIC.find(([, at, magic]) => magic.test(start.slice(at)))?.[0];
}

/** What decides how much memory a picture takes while it is decoded. */
export interface Header {
  readonly format: ImageFormat;
  /** Several scans, or interlaced: the picture is whole only at the end. */
  readonly progressive: boolean;
}

/** Longer lines could not be worked on in strips; no camera makes them, and only PNG and TIFF can hold them at all. */
export const MAX_SIDE = 1_000_000;

/** Bytes of memory for a pixel grow two- to fivefold where libvips cannot read line by line. */
const WHOLE_PICTURE_PIXELS = 40_000_000;

/**
 * How many pixels a picture may have: `maxPixels` where it is decoded line by line or in three bytes a pixel; where a
 * decoder holds more than that, 40 million, or four tenths of `maxPixels` if that is raised. So no picture takes
 * more than a gigabyte.
 */
export function pixelLimit({ format, progressive }: Header, maxPixels: number): number {
  const whole = format === 'AVIF' || format === 'GIF' || format === 'SVG' || progressive;
  return whole ? Math.min(maxPixels, Math.max(WHOLE_PICTURE_PIXELS, 0.4 * maxPixels)) : maxPixels;
}
