import { createRequire } from 'node:module';
import type sharpModule from 'sharp';
import type { Metadata, Sharp } from 'sharp';
import { ImageError, messageOf } from '../errors.ts';
import { formatOf, type ImageFormat, MAX_SIDE, pixelLimit } from './format.ts';
import type { RgbImage } from './resample.ts';
import { type Extent, shrunkExtent } from './shrink.ts';

// sharp's CommonJS form is the same code and loads in a third of the time.
const sharp = createRequire(import.meta.url)('sharp') as typeof sharpModule;

export const RESIZE = ['exact', 'fast'] as const;
export type Resize = (typeof RESIZE)[number];

/** How images are decoded. */
export interface DecodeOptions {
  /** Turn the image upright by its EXIF orientation; the reference implementations of CLIP do not. */
  readonly exif: boolean;
  /** Images of more pixels are refused before they are decoded; formats that take much memory have a lower limit. */
  readonly maxPixels: number;
  /** Draw SVG files, on white, as large as they say; they reach no file and no network. @default false */
  readonly svg?: boolean;
  /**
   * 'exact': pixels equal to Pillow's. 'fast': JPEG and WebP far larger than what is wanted are shrunk while they
   * are decoded, which moves pixels by about one level. @default 'exact'
   */
  readonly resize?: Resize;
}

export const DEFAULT_DECODE: Required<DecodeOptions> = {
  exif: true,
  maxPixels: 100_000_000,
  svg: false,
  resize: 'exact',
};

/** Everything that decoding depends on, and nothing else: what is not said is as {@link DEFAULT_DECODE} has it. */
export function completeDecode(options: Partial<DecodeOptions>): Required<DecodeOptions> {
  const { exif, maxPixels, svg, resize } = { ...DEFAULT_DECODE, ...options };
  return { exif, maxPixels, svg, resize };
}

/** The loaders of libvips that may run at all, by the names of their classes: those of {@link formatOf}. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

/** Seconds that an SVG may take: a few lines of it can ask for hours of drawing. */
const SVG_SECONDS = 5;

let prepared = false;

/**
 * Once for the process, when the first image is decoded: libvips loses every loader but those of our formats (which
 * concerns all of a program that uses sharp), keeps nothing of an image for the next, and takes one thread an image.
 */
function prepareLibvips(): void {
  if (prepared) return;
  prepared = true;
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: LOADERS });
}

/**
 * Decodes the first frame or page to 8-bit RGB, as Pillow's `convert("RGB")` does for what CLIP was trained on:
 * embedded ICC profiles are ignored, alpha is dropped (not blended), grey is repeated. Where Pillow is wrong (16-bit
 * grey saturates there, CMYK is inverted naively), libvips is followed.
 *
 * @param wanted the short side that the image will be resized to, for `resize: 'fast'`
 * @throws ImageError E_FORMAT, E_DECODE, E_PIXEL_LIMIT or E_TIMEOUT
 */
export async function decode(
  bytes: Uint8Array,
  name: string,
  options: DecodeOptions,
  wanted?: number,
): Promise<RgbImage> {
  const format = allowedFormat(bytes, name, options.svg === true);
  prepareLibvips();
  if (format === 'SVG') sharp.unblock({ operation: ['VipsForeignLoadSvgBuffer'] });
  try {
    const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: false, pages: 1 });
    const metadata = await image.metadata();
    checkKind(metadata, format, name);
    const { pixels, large } = checkSize(metadata, format, name, options.maxPixels);
    const shown = options.exif ? metadata.autoOrient : metadata;
    const shrunk = options.resize === 'fast' && wanted !== undefined ? shrunkExtent(format, shown, wanted) : undefined;
    const decoded = () => toPixels(image, format, options.exif, shrunk, name);
    return await (pixels > large ? inTurn(decoded) : decoded());
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (format === 'SVG' && /^timeout/.test(messageOf(error))) {
      throw new ImageError(
        'E_TIMEOUT',
        `${name} took more than ${SVG_SECONDS} s to draw`,
        'convert the file to PNG',
        error,
      );
    }
    const message = `cannot decode ${name} as ${format}: ${messageOf(error)}`;
    throw new ImageError('E_DECODE', message, 'download or export the image again', error);
  }
}

function allowedFormat(bytes: Uint8Array, name: string, svg: boolean): ImageFormat {
  const format = formatOf(bytes);
  if (format === undefined) {
    throw new ImageError(
      'E_FORMAT',
      `${name} is not a JPEG, PNG, WebP, GIF, TIFF or AVIF image`,
      'convert the file to one of these formats',
    );
  }
  if (format === 'SVG' && !svg) {
    throw new ImageError('E_FORMAT', `${name} is an SVG file`, 'add `svg`, or convert the file to PNG');
  }
  return format;
}

/** libvips looks at the bytes itself: what it sees must be what we saw. */
function checkKind({ format: seen, compression }: Metadata, format: ImageFormat, name: string): void {
  if (seen !== (format === 'AVIF' ? 'heif' : format.toLowerCase())) {
    throw new ImageError('E_FORMAT', `${name} starts like ${format} but is ${seen}`, 'convert the file to JPEG or PNG');
  }
  if (format === 'AVIF' && compression !== 'av1') {
    throw new ImageError(
      'E_FORMAT',
      `${name} is a HEIF image with ${compression} compression; of HEIF files only AVIF is supported`,
      'convert the file to JPEG or PNG',
    );
  }
}

/** Of the images that may be decoded at all, those of more than a sixth of their limit are decoded one at a time. */
const LARGE = 1 / 6;

/** How many pixels the image has, and from how many on it is large. */
function checkSize(
  { width, height, isProgressive: progressive }: Metadata,
  format: ImageFormat,
  name: string,
  maxPixels: number,
): { readonly pixels: number; readonly large: number } {
  const nextStep = 'make a smaller copy of the image, or increase `maxPixels`';
  const pixels = width * height;
  const limit = pixelLimit({ format, progressive }, maxPixels);
  if (pixels > limit) {
    const kind = limit < maxPixels ? ` for ${progressive ? 'a progressive or interlaced' : 'a'} ${format}` : '';
    const fact = `${name} has ${width} × ${height} pixels; the limit${kind} is ${limit}`;
    throw new ImageError('E_PIXEL_LIMIT', fact, nextStep);
  }
  if (Math.max(width, height) > MAX_SIDE) {
    const fact = `${name} has ${width} × ${height} pixels; the limit of a side is ${MAX_SIDE}`;
    throw new ImageError('E_PIXEL_LIMIT', fact, 'crop the image');
  }
  return { pixels, large: LARGE * pixelLimit({ format, progressive }, DEFAULT_DECODE.maxPixels) };
}

let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => {});
  return mine;
}

async function toPixels(
  image: Sharp,
  format: ImageFormat,
  exif: boolean,
  shrunk: Extent | undefined,
  name: string,
): Promise<RgbImage> {
  const whole = exif ? image.autoOrient() : image;
  const upright = shrunk === undefined ? whole : whole.resize({ ...shrunk, fit: 'fill', kernel: 'cubic' });
  // An SVG has no pixels below its transparent ones: the page is white.
  const opaque =
    format === 'SVG'
      ? upright.flatten({ background: '#fff' }).timeout({ seconds: SVG_SECONDS })
      : upright.removeAlpha();
  const rgb = opaque.toColourspace('srgb').raw({ depth: 'uchar' });
  const { data, info } = await rgb.toBuffer({ resolveWithObject: true });
  return toRgb(data, info.width, info.height, info.channels, name);
}

/** Repeats a single grey channel; anything else than one or three is a file that libvips half understood. */
function toRgb(data: Buffer, width: number, height: number, channels: number, name: string): RgbImage {
  if (channels === 3) return { width, height, data };
  if (channels !== 1) throw new ImageError('E_DECODE', `${name} has ${channels} channels`, 'convert the file to RGB');
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.trunc(i / 3)] as number;
  return { width, height, data: rgb };
}

/** The versions of sharp and of the libvips in it. */
export function decoderVersions(): string {
  return `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`;
}
