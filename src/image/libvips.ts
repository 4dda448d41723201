import type sharpModule from 'sharp';
import type { Metadata, Sharp } from 'sharp';
import { requireNative } from '../disk/native.ts';
import { ImageError, messageOf } from '../errors.ts';
import { Budget } from './budget.ts';
import { complaintsOf, isDamaged, reasonOf } from './complaints.ts';
import type { DecodeOptions } from './decode-options.ts';
import type { LibvipsFormat } from './format.ts';
import { checkPixels } from './limits.ts';
import type { RgbImage } from './resample.ts';
import { type Extent, shrunkExtent } from './shrink.ts';
import { Turns } from './turns.ts';

let loaded: typeof sharpModule | undefined;

/** @throws ProviderError if its native library cannot be loaded */
export function sharp(): typeof sharpModule {
  loaded ??= requireNative('sharp') as typeof sharpModule;
  return loaded;
}

/** The allowed loaders of libvips, by class name. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

/** The time limit of an SVG in seconds. A few lines of SVG can take hours to draw. */
const SVG_SECONDS = 5;

let prepared = false;

/**
 * Configures libvips once, when the first image is decoded: only the loaders of the supported formats are allowed (for the whole program,
 * if it uses sharp), nothing is cached between images, and each image uses one thread.
 */
function prepareLibvips(): void {
  if (prepared) return;
  prepared = true;
  sharp().cache(false);
  sharp().concurrency(1);
  sharp().block({ operation: ['VipsForeignLoad'] });
  sharp().unblock({ operation: LOADERS });
}

/** A picture in a file that libvips reads. */
export interface LibvipsPicture {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly format: LibvipsFormat;
  /** The page, counted from 0. */
  readonly page: number;
  /** The sub-directory of the page, in a TIFF. */
  readonly subifd?: number;
}

/** A decoded picture and notes about it for --verbose. */
export interface DecodedImage extends RgbImage {
  readonly notes?: readonly string[];
}

const turns = new Turns();

/**
 * Pixels that a process decodes at once: four photographs of 12 megapixels, or two of 24. Two worker processes so hold at most what one
 * picture of the largest allowed size needs, unless they decode larger pictures, each alone.
 */
const underWay = new Budget(50_000_000);

/**
 * Decodes with libvips. Messages of libvips belong to the process, not to an image. So an image with a message is decoded again while no
 * other image is, and the messages are then its own. Warnings are accepted unless they mean wrong pixels.
 *
 * @throws ImageError E_FORMAT, E_DECODE, E_PIXEL_LIMIT or E_TIMEOUT
 */
export async function decodeWithLibvips(
  picture: LibvipsPicture,
  options: DecodeOptions,
  wanted: number | undefined,
): Promise<DecodedImage> {
  const { name, format } = picture;
  prepareLibvips();
  if (format === 'SVG') sharp().unblock({ operation: ['VipsForeignLoadSvgBuffer'] });
  try {
    const work = turns.together(() => read(picture, options, wanted, 'warning'));
    return await (format === 'SVG' ? Promise.race([work, svgTimeout()]) : work);
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (format === 'SVG' && /^timeout/.test(messageOf(error)))
      throw new ImageError(
        'E_TIMEOUT',
        `${name} took more than ${SVG_SECONDS} s to draw`,
        'convert the file to PNG',
        error,
      );
  }
  return turns.alone(() => readWithWarnings(picture, options, wanted));
}

/** A time limit for drawing, because sharp checks its own limit only between strips. The drawing itself continues in the background. */
function svgTimeout(): Promise<never> {
  return new Promise((_, failed) => {
    setTimeout(() => failed(new Error('timeout')), SVG_SECONDS * 1000).unref();
  });
}

async function readWithWarnings(
  picture: LibvipsPicture,
  options: DecodeOptions,
  wanted: number | undefined,
): Promise<DecodedImage> {
  const warnings: string[] = [];
  const failed = (complaints: readonly string[], error?: unknown) => {
    const { reason, nextStep } = reasonOf(complaints);
    const fact = `${picture.name} cannot be decoded as ${picture.format}: ${reason}`;
    return new ImageError('E_DECODE', fact, nextStep, error);
  };
  await forgetMessages();
  try {
    const image = await read(picture, options, wanted, 'error', (warning) => warnings.push(warning));
    const complaints = complaintsOf(warnings);
    if (isDamaged(complaints)) throw failed(complaints);
    return { ...image, notes: complaints };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw failed(complaintsOf([error instanceof Error ? error.message : String(error), ...warnings]), error);
  } finally {
    await forgetMessages();
  }
}

/** Clears old messages: an error contains all messages of libvips so far, including those of earlier warnings. */
async function forgetMessages(): Promise<void> {
  await sharp()(Buffer.of(0xff, 0xd8, 0xff, 0xe0))
    .metadata()
    .catch(() => {});
}

async function read(
  { bytes, name, format, page, subifd }: LibvipsPicture,
  options: DecodeOptions,
  wanted: number | undefined,
  failOn: 'warning' | 'error',
  onWarning?: (warning: string) => void,
): Promise<RgbImage> {
  const image = sharp()(bytes, {
    ignoreIcc: true,
    limitInputPixels: false,
    failOn,
    pages: 1,
    ...(page > 0 && { page }),
    ...(subifd !== undefined && { tiff: { subifd } }),
  });
  if (onWarning) image.on('warning', onWarning);
  const metadata = await image.metadata();
  checkKind(metadata, format, name);
  const { width, height, isProgressive: progressive } = metadata;
  const cost = checkPixels({ width, height, format, progressive }, name, options.maxPixels);
  const shown = options.exif ? metadata.autoOrient : metadata;
  const shrunk = options.resize === 'fast' && wanted !== undefined ? shrunkExtent(format, shown, wanted) : undefined;
  return underWay.spend(cost, () => toPixels(image, format, options, shrunk, name));
}

/** libvips detects the format itself. It must be the format that was detected here. */
function checkKind({ format: seen, compression }: Metadata, format: LibvipsFormat, name: string): void {
  if (seen !== (format === 'AVIF' ? 'heif' : format.toLowerCase())) {
    throw new ImageError('E_FORMAT', `${name} starts like ${format} but is ${seen}`, 'convert the file to JPEG or PNG');
  }
  if (format === 'AVIF' && compression !== 'av1') {
    throw new ImageError(
      'E_FORMAT',
      `${name} is a HEIF image with ${compression} compression`,
      'convert the file to JPEG or PNG',
    );
  }
}

/** Facts of sharp about a HEIF file: its compression, and its size after rotation. */
export async function heifHeader(
  bytes: Uint8Array,
): Promise<{ readonly compression: string; readonly width: number; readonly height: number } | undefined> {
  prepareLibvips();
  try {
    const {
      format,
      compression = '',
      width,
      height,
    } = await turns.together(() => sharp()(bytes, { limitInputPixels: false }).metadata());
    return format === 'heif' ? { compression, width, height } : undefined;
  } catch {
    return undefined;
  }
}

async function toPixels(
  image: Sharp,
  format: LibvipsFormat,
  { exif, background }: DecodeOptions,
  shrunk: Extent | undefined,
  name: string,
): Promise<RgbImage> {
  const whole = exif ? image.autoOrient() : image;
  const upright = shrunk === undefined ? whole : whole.resize({ ...shrunk, fit: 'fill', kernel: 'cubic' });
  // An SVG has no pixels behind its transparent parts, so the page is white.
  const [r, g, b] = background ?? [255, 255, 255];
  const onColour = () => upright.flatten({ background: { r, g, b } });
  const opaque =
    format === 'SVG' ? onColour().timeout({ seconds: SVG_SECONDS }) : background ? onColour() : upright.removeAlpha();
  const rgb = opaque.toColourspace('srgb').raw({ depth: 'uchar' });
  const { data, info } = await rgb.toBuffer({ resolveWithObject: true });
  return toRgb(data, info.width, info.height, info.channels, name);
}

/** Repeats a single grey channel. Another number of channels than one or three means that libvips did not understand the file. */
function toRgb(data: Buffer, width: number, height: number, channels: number, name: string): RgbImage {
  if (channels === 3) return { width, height, data };
  if (channels !== 1) throw new ImageError('E_DECODE', `${name} has ${channels} channels`, 'convert the file to RGB');
  const rgb = new Uint8Array(data.length * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.trunc(i / 3)] as number;
  return { width, height, data: rgb };
}

/** The versions of sharp and of the libvips in it. */
export function decoderVersions(): string {
  return `sharp ${sharp().versions.sharp}, libvips ${sharp().versions.vips}`;
}

/**
 * A small copy of a decoded image: a WebP of a few kilobytes.
 *
 * @param side the longest side in pixels; a smaller image is not enlarged
 */
export function thumbnail({ width, height, data }: RgbImage, side: number): Promise<Uint8Array> {
  return sharp()(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer();
}

/** Metadata blocks inside a picture; absent if it has none, or cannot be read. */
export async function packetsIn(
  path: string | Uint8Array,
): Promise<{ readonly xmp?: Uint8Array; readonly iptc?: Uint8Array }> {
  const { xmp, iptc } = await sharp()(path)
    .metadata()
    .catch(() => ({ xmp: undefined, iptc: undefined }));
  return { ...(xmp && { xmp }), ...(iptc && { iptc }) };
}
