import type { DecodeOptions } from '../decode-options.ts';
import { type DecodedImage, decodeWithLibvips } from '../libvips.ts';
import { decodeRawFile } from '../raw/raw.ts';
import { tiffRaw } from '../raw/tiff-raw.ts';
import { viewOf } from '../view.ts';
import { layoutOf } from './blocks.ts';
import { type Directory, directoriesOf } from './directory.ts';
import { fullPages } from './pages.ts';
import { needsOwnReader, readTiff } from './tiff.ts';

/** A camera's RAW file begins like a TIFF. It is recognised by its content, not by its name. */
export async function decodeTiff(
  bytes: Uint8Array,
  name: string,
  options: DecodeOptions,
  wanted: number | undefined,
): Promise<DecodedImage> {
  const view = viewOf(bytes);
  const directories = directoriesOf(view);
  const raw = tiffRaw(view, directories);
  if (raw !== undefined) return decodeRawFile(bytes, name, raw, options, wanted);
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
