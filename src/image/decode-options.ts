export const RESIZE = ['exact', 'fast'] as const;
export type Resize = (typeof RESIZE)[number];

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** How images are decoded. */
export interface DecodeOptions {
  /** Turn the image upright by its EXIF orientation; the reference implementations of CLIP do not. */
  readonly exif: boolean;
  /** Images with more pixels are refused before they are decoded. Formats that need much memory have a lower limit. */
  readonly maxPixels: number;
  /** Draw SVG files on white, in their own size. They cannot read files or use the network. @default false */
  readonly svg?: boolean;
  /**
   * 'exact': pixels equal Pillow's. 'fast': JPEG and WebP that are much larger than the model's input are shrunk while they are decoded,
   * which changes pixels by about one level. @default 'exact'
   */
  readonly resize?: Resize;
  /** The colour behind transparent pixels. `null`: alpha is dropped, as in CLIP's training. @default null */
  readonly background?: Colour | null;
  /** The page of a TIFF or the frame of a GIF or WebP, from 1. @default 1 */
  readonly page?: number;
}

export const DEFAULT_DECODE: Required<DecodeOptions> = {
  exif: true,
  maxPixels: 100_000_000,
  svg: false,
  resize: 'exact',
  background: null,
  page: 1,
};

/** All decode options. Missing options get their value of {@link DEFAULT_DECODE}. */
export function completeDecode(options: Partial<DecodeOptions>): Required<DecodeOptions> {
  const { exif, maxPixels, svg, resize, background, page } = { ...DEFAULT_DECODE, ...options };
  return { exif, maxPixels, svg, resize, background, page };
}
