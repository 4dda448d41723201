import type { LibvipsFormat } from './format.ts';

/** A picture's width and height as it is shown. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/**
 * From how many times the wanted short side on a JPEG is decoded at a half, a quarter or an eighth of its size: below,
 * libvips decodes it whole and the detour costs more than it saves.
 */
const WORTHWHILE = 6;

/** Smaller pictures are decoded in a few milliseconds; their rounded sides would weigh most. */
const SMALL = 1000;

/** What is left to the exact resampling, so that its kernel, not the decoder's, shapes the result. */
const LEFT = 2;

/**
 * `resize: 'fast'`: the size at which a large picture is to leave the decoder, or `undefined` to decode it whole.
 *
 * @param wanted the short side that the model's preprocessing resizes to
 */
export function shrunkExtent(format: LibvipsFormat, { width, height }: Extent, wanted: number): Extent | undefined {
  const short = Math.min(width, height);
  if ((format !== 'JPEG' && format !== 'WebP') || short < Math.max(SMALL, WORTHWHILE * wanted)) return undefined;
  const shrunk = (side: number) => Math.round((side * LEFT * wanted) / short);
  return { width: shrunk(width), height: shrunk(height) };
}
