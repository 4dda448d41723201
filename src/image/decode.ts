import { ImageError } from '../errors.ts';
import type { DecodeOptions } from './decode-options.ts';
import { foreignImage } from './foreign.ts';
import { formatOf, type LibvipsFormat } from './format.ts';
import { asStill, heifKind } from './heif.ts';
import { type DecodedImage, decodeWithLibvips, heifHeader } from './libvips.ts';
import { checkPixels } from './limits.ts';

/**
 * Decodes one frame or page to 8-bit RGB, as Pillow's `convert("RGB")` does for what CLIP was trained on:
 * embedded ICC profiles are ignored, alpha is dropped (not blended), grey is repeated. If Pillow is wrong (16-bit
 * grey saturates, CMYK is inverted naively), the result is that of libvips. Readers of rarer formats are loaded for the first such file.
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
  if (page > 1) await checkPage(bytes, name, page);
  const plainly = (one: LibvipsFormat, content = bytes) =>
    decodeWithLibvips({ bytes: content, name, format: one, page: page - 1 }, options, wanted);
  switch (format) {
    case undefined:
      throw foreignImage(bytes, name);
    case 'SVG':
      if (options.svg === true) return plainly('SVG');
      throw new ImageError('E_FORMAT', `${name} is an SVG file`, 'add `svg`, or convert the file to PNG');
    case 'BMP':
      return (await import('./bmp.ts')).decodeBmp(bytes, name, options);
    case 'RAW':
      return (await import('./raw/raw.ts')).decodeRaw(bytes, name, options, wanted);
    case 'TIFF':
      return (await import('./tiff/decode.ts')).decodeTiff(bytes, name, options, wanted);
    case 'HEIF': {
      const header = heifKind(bytes) === 'AVIF' ? undefined : await heifHeader(bytes);
      const isHeic = header ? header.compression === 'hevc' : heifKind(bytes) === 'HEIC';
      if (!isHeic) return plainly('AVIF', asStill(bytes));
      if (header) checkPixels({ ...header, format: 'HEIC', progressive: false }, name, options.maxPixels);
      const { decodeHeic } = await import('./heic-process.ts');
      return decodeHeic(bytes, name, options.maxPixels, options.background);
    }
    default:
      return plainly(format);
  }
}

async function checkPage(bytes: Uint8Array, name: string, page: number): Promise<void> {
  const { countPages } = await import('./pages.ts');
  const pages = countPages(bytes);
  if (page <= pages) return;
  throw new ImageError('E_DECODE', `${name} has no page ${page}, only ${pages}`, 'set `page` to 1 or all');
}
