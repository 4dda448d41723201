import type { LibvipsFormat } from './format.ts';

/** Width and height of a picture in its upright orientation. */
export interface Extent {
  readonly width: number;
  readonly height: number;
}

/**
 * A JPEG is decoded at a half, a quarter or an eighth of its size only if its short side is at least this many times the needed one. For
 * smaller factors, libvips decodes it completely anyway.
 */
const WORTHWHILE = 6;

/** Smaller pictures are not shrunk, because they are decoded in milliseconds, and rounding their sides would change most. */
const SMALL = 1000;

/** The minimum reduction by the exact resampling after it, so that its kernel decides the result. */
const LEFT = 2;

/**
 * The size for decoding a large picture with `resize: 'fast'`, or `undefined` to decode it in full size.
 *
 * @param wanted the short side that the model's preprocessing resizes to
 */
export function shrunkExtent(format: LibvipsFormat, { width, height }: Extent, wanted: number): Extent | undefined {
  const short = Math.min(width, height);
  if ((format !== 'JPEG' && format !== 'WebP') || short < Math.max(SMALL, WORTHWHILE * wanted)) return undefined;
  const shrunk = (side: number) => Math.round((side * LEFT * wanted) / short);
  return { width: shrunk(width), height: shrunk(height) };
}
