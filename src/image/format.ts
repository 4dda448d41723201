/** The formats that libvips decodes. It supports more, but gets only these. */
export type LibvipsFormat = 'JPEG' | 'PNG' | 'WebP' | 'GIF' | 'TIFF' | 'AVIF' | 'SVG';

/** The supported formats. HEIF is AVIF or HEIC. RAW is a camera's file that does not begin like a TIFF. */
export type ImageFormat = Exclude<LibvipsFormat, 'AVIF'> | 'BMP' | 'HEIF' | 'RAW';

/** The first bytes of each format. File names do not count. */
const MAGIC: readonly (readonly [format: ImageFormat, at: number, magic: RegExp])[] = [
  ['JPEG', 0, /^\xff\xd8\xff/],
  ['PNG', 0, /^\x89PNG\r\n\x1a\n/],
  ['GIF', 0, /^GIF8[79]a/],
  ['WebP', 0, /^RIFF[\s\S]{4}WEBP/],
  ['TIFF', 0, /^(II[\x2a\x2b]\0|MM\0[\x2a\x2b])/],
  ['RAW', 0, /^(FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0)/],
  ['RAW', 4, /^ftypcrx /],
  ['HEIF', 4, /^ftyp(avif|avis|hei[cxms]|hev[cxms]|mif[12]|msf1|miaf)/],
  ['BMP', 0, /^BM[\s\S]{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0/],
  ['SVG', 0, /^(\xef\xbb\xbf)?\s*<[\s\S]*<(\w{1,20}:)?svg[\s>/]|^(\xef\xbb\xbf)?\s*<svg[\s>/]/],
];

/** The number of first bytes that are checked. */
const SNIFFED = 1024;

/** The first bytes, a character each. */
export function startOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, SNIFFED)).toString('latin1');
}

/** The format of the first bytes, if it is supported. */
export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  const start = startOf(bytes);
  return MAGIC.find(([, at, magic]) => magic.test(start.slice(at)))?.[0];
}

/** What the memory for decoding a picture depends on. */
export interface Header {
  readonly format: LibvipsFormat | 'BMP' | 'HEIC';
  /** Several scans, or interlaced: the picture is complete only at the end. */
  readonly progressive: boolean;
}

/** If libvips cannot read line by line, the memory per pixel grows by a factor of two to five. */
const WHOLE_PICTURE_PIXELS = 40_000_000;

/** libheif needs about ten bytes per pixel. Phones make pictures of 50 megapixels. */
const HEIC_PIXELS = 60_000_000;

/**
 * The most pixels of a picture: `maxPixels` if it is decoded line by line or with three bytes per pixel. For decoders that need more
 * memory it is 40 million (HEIC: 60 million), or 40 % of `maxPixels` if that is raised. So no picture needs more than a gigabyte.
 */
export function pixelLimit({ format, progressive }: Header, maxPixels: number): number {
  if (format === 'HEIC') return Math.min(maxPixels, Math.max(HEIC_PIXELS, 0.4 * maxPixels));
  const whole = format === 'AVIF' || format === 'GIF' || format === 'SVG' || progressive;
  return whole ? Math.min(maxPixels, Math.max(WHOLE_PICTURE_PIXELS, 0.4 * maxPixels)) : maxPixels;
}
