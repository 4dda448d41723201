import { ImageError, messageOf } from '../../errors.ts';
import { onColour } from '../colour.ts';
import type { DecodeOptions } from '../decode-options.ts';
import { pixelLimit } from '../format.ts';
import { checkPixels } from '../limits.ts';
import { turnUpright } from '../orient.ts';
import type { RgbImage } from '../resample.ts';
import { type Layout, layoutOf } from './blocks.ts';
import { compressionName } from './compressions.ts';
import { COMPRESSIONS } from './decompress.ts';
import { type Directory, TAG } from './directory.ts';
import { exceeds, readSamples, UnsupportedSamples } from './samples.ts';
import { rangeOf, toAlpha, toRgb } from './scale.ts';
import { readYCbCr } from './ycbcr.ts';

/** Values of the tag PhotometricInterpretation. */
const [WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, Y_CB_CR] = [0, 1, 2, 6] as const;
/** JPEG and old JPEG contain YCbCr, which their decoder converts to RGB. */
const JPEGS: readonly number[] = [6, 7];

/**
 * Whether libvips decodes the picture wrongly or not at all: floating point, signed and long integers, 9 to 15 bits (also stored as 16),
 * more channels than it expects, and YCbCr without JPEG.
 */
export function needsOwnReader({ bits, sampleFormat, samples, photometric, compression }: Layout): boolean {
  if (photometric === Y_CB_CR) return !JPEGS.includes(compression);
  if (photometric !== WHITE_IS_ZERO && photometric !== BLACK_IS_ZERO && photometric !== RGB) return false;
  if (sampleFormat === 2 || sampleFormat === 3 || bits > 8) return true;
  return samples > 4 || (photometric !== RGB && samples > 2 && bits === 8);
}

/** A picture of a TIFF and notes about it. */
export type TiffPicture = RgbImage & { readonly notes?: readonly string[] };

/**
 * Decodes pictures for which {@link needsOwnReader}.
 *
 * @returns undefined if libvips can decode the picture after all
 * @throws ImageError E_DECODE, E_FORMAT or E_PIXEL_LIMIT
 */
export function readTiff(
  bytes: Uint8Array,
  directory: Directory,
  name: string,
  options: DecodeOptions,
): TiffPicture | undefined {
  const layout = layoutOf(directory);
  const { bits, sampleFormat, compression } = layout;
  const plain16 = bits === 16 && sampleFormat === 1 && layout.samples <= 4;
  const isKnown = COMPRESSIONS[compression] !== undefined;
  if (plain16 && !(isKnown && mayBeNarrow(bytes, directory, layout, options.maxPixels))) return undefined;
  const kind = layout.photometric === Y_CB_CR ? 'YCbCr samples' : `${bits}-bit ${KINDS[sampleFormat] ?? ''}samples`;
  if (!isKnown) {
    const fact = `${name} is a TIFF with ${kind} and ${compressionName(compression)} compression, which is not supported for them`;
    throw new ImageError('E_FORMAT', fact, 'convert it with tiffcp -c lzw in.tif out.tif');
  }
  checkPixels({ ...layout, ...HELD_WHOLE }, name, options.maxPixels);
  try {
    const upright = (image: RgbImage) =>
      options.exif ? turnUpright(image, directory.value(TAG.orientation) ?? 1) : image;
    if (layout.photometric === Y_CB_CR) {
      if (bits !== 8 || layout.planar || layout.predictor !== 1)
        throw new RangeError(`${kind} of this form are not supported`);
      return upright(readYCbCr(bytes, directory, layout));
    }
    const samples = readSamples(bytes, directory, layout);
    const range = rangeOf(directory, layout, samples);
    if (range === undefined) {
      const fact = `${name} is a TIFF with ${kind} from ${samples.least} to ${samples.greatest}, a range that is not declared`;
      throw new ImageError('E_FORMAT', fact, 'scale them to 0–1 or 0–255, or convert it to 8 bits');
    }
    const { background = null } = options;
    const plain = toRgb(samples, layout, range);
    const onto =
      background && samples.alpha
        ? onColour(plain, toAlpha(samples.alpha, range), background, layout.alpha?.premultiplied)
        : plain;
    const image = upright(onto);
    return range.note === undefined ? image : { ...image, notes: [range.note] };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    if (error instanceof UnsupportedSamples)
      throw new ImageError('E_FORMAT', `${name} is a TIFF: ${error.message}`, 'convert it to 8 bits', error);
    const fact = `${name} cannot be decoded as TIFF: ${messageOf(error)}`;
    throw new ImageError('E_DECODE', fact, 'fetch or export it again', error);
  }
}

/** Whether samples of 16 bits may use fewer bits: the file says so, or no sample has more than 14 bits. */
function mayBeNarrow(bytes: Uint8Array, directory: Directory, layout: Layout, maxPixels: number): boolean {
  const declared = directory.value(TAG.maxSample);
  if (declared !== undefined && declared > 255 && declared < 2 ** 15) return true;
  if (layout.width * layout.height > pixelLimit(HELD_WHOLE, maxPixels)) return false; // libvips reads it line by line
  try {
    return !exceeds(bytes, directory, layout, 2 ** 14 - 1);
  } catch {
    return false; // libvips reports what is wrong
  }
}

/** This reader holds the samples of a whole picture. */
const HELD_WHOLE = { format: 'TIFF', progressive: true } as const;

const KINDS: Readonly<Record<number, string>> = { 2: 'signed ', 3: 'floating-point ' };
