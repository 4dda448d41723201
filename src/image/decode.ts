import { createRequire } from 'node:module';
import type sharpModule from 'sharp';
import type { Sharp } from 'sharp';
import { ImageError, messageOf } from '../errors.ts';
import type { RgbImage } from './resample.ts';

// sharp's CommonJS form is the same code and loads in a third of the time.
const sharp = createRequire(import.meta.url)('sharp') as typeof sharpModule;

/** How images are decoded. */
export interface DecodeOptions {
  /** Turn the image upright by its EXIF orientation; the reference implementations of CLIP do not. */
  readonly exif: boolean;
  /** Images of more pixels are refused before they are decoded. */
  readonly maxPixels: number;
}

export const DEFAULT_DECODE: DecodeOptions = { exif: true, maxPixels: 100_000_000 };

/** The formats that are let through to libvips, each by its first bytes; libvips knows more, SVG among them. */
const FORMATS: readonly (readonly [format: string, at: number, magic: RegExp])[] = [
  ['JPEG', 0, /^\xff\xd8\xff/],
  ['PNG', 0, /^\x89PNG\r\n\x1a\n/],
  ['GIF', 0, /^GIF8[79]a/],
  ['WebP', 0, /^RIFF[\s\S]{4}WEBP/],
  ['TIFF', 0, /^(II[\x2a\x2b]\0|MM\0[\x2a\x2b])/],
  ['AVIF', 4, /^ftyp(avif|avis|mif1|msf1|miaf)/],
];

/**
 * Decodes the first frame or page to 8-bit RGB, as Pillow's `convert("RGB")` does for what CLIP was trained on:
 * embedded ICC profiles are ignored, alpha is dropped (not blended), grey is repeated. Where Pillow is wrong (16-bit
 * grey saturates there, CMYK is inverted naively), libvips is followed.
 *
 * @throws ImageError E_FORMAT, E_DECODE or E_PIXEL_LIMIT
 */
export async function decode(bytes: Uint8Array, name: string, { exif, maxPixels }: DecodeOptions): Promise<RgbImage> {
  const format = formatOf(bytes);
  if (format === undefined) {
    throw new ImageError(
      'E_FORMAT',
      `${name} is none of JPEG, PNG, WebP, GIF, TIFF, AVIF`,
      'convert it to one of these',
    );
  }
  try {
    const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: false, pages: 1 });
    const { width, height, compression } = await image.metadata();
    if (width * height > maxPixels) {
      throw new ImageError(
        'E_PIXEL_LIMIT',
        `${name} has ${width} × ${height} pixels, the limit is ${maxPixels}`,
        'make a smaller copy of it, or raise the limit',
      );
    }
    if (format === 'AVIF' && compression !== 'av1') {
      throw new ImageError(
        'E_FORMAT',
        `${name} is a HEIF image of another kind than AVIF (${compression})`,
        'convert it to JPEG or PNG',
      );
    }
    const pixels = () => toPixels(image, exif, name);
    return await (width * height > LARGE_PIXELS ? inTurn(pixels) : pixels());
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const message = `${name} cannot be decoded as ${format}: ${messageOf(error)}`;
    throw new ImageError('E_DECODE', message, 'fetch or export it again', error);
  }
}

/** Larger images are decoded one at a time: four of 100 million pixels would take more than a gigabyte. */
const LARGE_PIXELS = 16_000_000;
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => {});
  return mine;
}

async function toPixels(image: Sharp, exif: boolean, name: string): Promise<RgbImage> {
  const upright = exif ? image.autoOrient() : image;
  const rgb = upright.removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' });
  const { data, info } = await rgb.toBuffer({ resolveWithObject: true });
  return toRgb(data, info.width, info.height, info.channels, name);
}

function formatOf(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 32)).toString('latin1');
  return FORMATS.find(([, at, magic]) => magic.test(start.slice(at)))?.[0];
}

/** Repeats a single grey channel; anything else than one or three is a file that libvips half understood. */
function toRgb(data: Buffer, width: number, height: number, channels: number, name: string): RgbImage {
  if (channels === 3) return { width, height, data };
  if (channels !== 1) throw new ImageError('E_DECODE', `${name} has ${channels} channels`, 'convert it to RGB');
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.trunc(i / 3)] as number;
  return { width, height, data: rgb };
}

/** The versions of sharp and of the libvips in it. */
export function decoderVersions(): string {
  return `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`;
}
