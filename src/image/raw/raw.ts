import { ImageError } from '../../errors.ts';
import type { DecodeOptions } from '../decode-options.ts';
import { type DecodedImage, decodeWithLibvips } from '../libvips.ts';
import { turnUpright } from '../orient.ts';
import { viewOf } from '../view.ts';
import { rawIn } from './kinds.ts';
import { largestPreview, type Preview, type RawFile } from './preview.ts';

/** The size of thumbnails in the EXIF standard (DCF). A JPEG of this size is never used as the photograph. */
const [THUMBNAIL_LONG, THUMBNAIL_SHORT] = [160, 120] as const;

/** A RAW file that is too short to recognise its kind. */
const DAMAGED: RawFile = { kind: 'damaged', candidates: [] };

/** Decodes a RAW file that does not begin like a TIFF; as {@link decodeRawFile}. */
export function decodeRaw(
  file: Uint8Array,
  name: string,
  options: DecodeOptions,
  wanted?: number,
): Promise<DecodedImage> {
  return decodeRawFile(file, name, rawIn(viewOf(file)) ?? DAMAGED, options, wanted);
}

/**
 * Decodes the largest JPEG in a camera's RAW file.
 *
 * @param wanted the short side of the model's input: a smaller JPEG is refused
 * @throws ImageError E_FORMAT if there is no such JPEG, or as {@link decodeWithLibvips}
 */
export async function decodeRawFile(
  file: Uint8Array,
  name: string,
  raw: RawFile,
  options: DecodeOptions,
  wanted = 0,
): Promise<DecodedImage> {
  const preview = largestPreview(viewOf(file), raw.candidates);
  if (preview === undefined) throw noPreview(name, raw.kind, 'no embedded JPEG');
  const { width, height } = preview;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < wanted || (short <= THUMBNAIL_SHORT && long <= THUMBNAIL_LONG))
    throw noPreview(name, raw.kind, `an embedded JPEG of only ${width} × ${height} pixels`);
  const bytes = file.subarray(preview.at, preview.at + preview.length);
  const picture = { bytes, name, format: 'JPEG', page: 0 } as const;
  const image = await decodeWithLibvips(picture, options, wanted || undefined);
  return options.exif ? { ...image, ...turnUpright(image, orientationFor(preview, raw)) } : image;
}

/** The orientation of the RAW file is used if the JPEG has none. Some previews are already upright, although the file says otherwise. */
function orientationFor({ orientation, width, height }: Preview, raw: RawFile): number {
  if (orientation !== undefined) return 1;
  const quarter = (raw.orientation ?? 1) > 4;
  return quarter && raw.landscape && height > width ? 1 : (raw.orientation ?? 1);
}

function noPreview(name: string, kind: string, found: string): ImageError {
  return new ImageError('E_FORMAT', `${name} is a camera RAW file (${kind}) with ${found}`, 'export it as JPEG');
}
