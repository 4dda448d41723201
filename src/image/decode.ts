import { ImageError } from '../errors.ts';
import { decodeBmp } from './bmp.ts';
import type { DecodeOptions } from './decode-options.ts';
import { foreignImage } from './foreign.ts';
import { formatOf, type LibvipsFormat } from './format.ts';
import { asStill, heifKind } from './heif.ts';
import { type DecodedImage, decodeWithLibvips, heifHeader } from './libvips.ts';
import { checkPixels } from './limits.ts';
import { countPages } from './pages.ts';
import { decodeRaw, rawOf } from './raw/raw.ts';
import { tiffRaw } from './raw/tiff-raw.ts';
import { layoutOf } from './tiff/blocks.ts';
import { type Directory, directoriesOf } from './tiff/directory.ts';
import { fullPages } from './tiff/pages.ts';
import { needsOwnReader, readTiff } from './tiff/tiff.ts';

/**
 * Decodes one frame or page to 8-bit RGB, as Pillow's `convert("RGB")` does for what CLIP was trained on:
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
): Promise<DecodedImage> {
  const format = formatOf(bytes);
  const { page = 1 } = options;
  if (page > 1) checkPage(bytes, name, page);
  const plainly = (one: LibvipsFormat, content = bytes) =>
    decodeWithLibvips({ bytes: content, name, format: one, page: page - 1 }, options, wanted);
  switch (format) {
    case undefined:
      throw foreignImage(bytes, name);
    case 'SVG':
      if (options.svg === true) return plainly('SVG');
      throw new ImageError('E_FORMAT', `${name} is an SVG file`, 'add `svg`, or convert the file to PNG');
    case 'BMP':
      return decodeBmp(bytes, name, options.maxPixels);
    case 'RAW':
      return decodeRaw(bytes, name, rawOf(bytes), options, wanted);
    case 'TIFF':
      return decodeTiff(bytes, name, options, wanted);
    case 'HEIF': {
      const header = heifKind(bytes) === 'AVIF' ? undefined : await heifHeader(bytes);
      const isHeic = header ? header.compression === 'hevc' : heifKind(bytes) === 'HEIC';
      if (!isHeic) return plainly('AVIF', asStill(bytes));
      if (header) checkPixels({ ...header, format: 'HEIC', progressive: false }, name, options.maxPixels);
      const { decodeHeic } = await import('./heic-process.ts');
      return decodeHeic(bytes, name, options.maxPixels);
    }
    default:
      return plainly(format);
  }
}

function checkPage(bytes: Uint8Array, name: string, page: number): void {
  const pages = countPages(bytes);
  if (page <= pages) return;
  throw new ImageError('E_DECODE', `${name} has no page ${page}, only ${pages}`, 'use --page 1 or --page all');
}

/** A camera's RAW file begins like a TIFF. It is recognised by its content, not by its name. */
async function decodeTiff(
  bytes: Uint8Array,
  name: string,
  options: DecodeOptions,
  wanted: number | undefined,
): Promise<DecodedImage> {
  const directories = directoriesOf(bytes);
  const raw = tiffRaw(bytes, directories);
  if (raw !== undefined) return decodeRaw(bytes, name, raw, options, wanted);
  const picture = fullPages(directories)[(options.page ?? 1) - 1];
  if (picture !== undefined && needsOwnReader(layoutOf(picture))) {
    const image = readTiff(bytes, picture, name, options);
    if (image !== undefined) return image;
  }
  return decodeWithLibvips({ bytes, name, format: 'TIFF', ...placeOf(picture) }, options, wanted);
}

/** The page in the terms of libvips. */
function placeOf(picture: Directory | undefined): { readonly page: number; readonly subifd?: number } {
  if (picture?.page !== undefined) return { page: picture.page };
  const { sub, parent } = picture ?? {};
  return { page: parent?.page ?? 0, ...(sub !== undefined && { subifd: sub }) };
}
