import { ImageError } from '../../errors.ts';
import type { DecodeOptions } from '../decode-options.ts';
import type { DecodedImage } from '../libvips.ts';

export async function decodeHeic(
  _bytes: Uint8Array,
  name: string,
  _header: { readonly width: number; readonly height: number } | undefined,
  _options: DecodeOptions,
): Promise<DecodedImage> {
  throw new ImageError('E_FORMAT', `${name} is a HEIC image`, 'install libheif-js');
}
