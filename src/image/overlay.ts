import { sharp } from './libvips.ts';
import { fitImage, type Preprocessing } from './preprocess.ts';
import type { RgbImage } from './resample.ts';

/** A value for each patch of the model's input. */
export interface GridMap {
  /** Patches on a side. */
  readonly grid: number;
  /** Side of a patch in pixels of the model's input; may be a fraction. */
  readonly patch: number;
  /** grid², row after row */
  readonly values: ArrayLike<number>;
}

/** Ten steps of viridis, which looks even, also to colour-blind people (matplotlib's, by van der Walt and Smith). */
const VIRIDIS = [
  0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725,
] as const;

/** The smallest side of the overlay. It is increased until each patch has a whole number of pixels. */
const SIDE = 640;
/** Height of the colour scale below the picture. */
const SCALE_LINES = 16;
/** The share of the picture that stays visible under the colours, and under the lines between the patches. */
const [PICTURE_SHARE, LINE_SHARE] = [0.5, 0.25];

/**
 * The part of an image that the model's patches cover, each patch tinted by its value: dark violet for the least of them,
 * yellow for the greatest. A strip below shows the colours from the least to the greatest.
 *
 * @returns a PNG, `side × (side + 16)` pixels; side is a multiple of `grid · patch`, 640 or the next above it
 */
export function drawOverlay(
  image: RgbImage,
  preprocessing: Preprocessing,
  { grid, patch, values }: GridMap,
): Promise<Uint8Array> {
  const zoom = zoomOf({ grid, patch });
  const seen = fitImage(image, preprocessing, zoom);
  const cell = patch * zoom;
  const side = Math.round(grid * cell);
  const colours = coloursOf(values);
  const data = new Uint8Array(side * (side + SCALE_LINES) * 3);
  for (let y = 0, to = 0; y < side + SCALE_LINES; y++) {
    for (let x = 0; x < side; x++, to += 3) {
      const inScale = y >= side;
      const colour = inScale
        ? colourAt(x / (side - 1))
        : (colours[Math.floor(y / cell) * grid + Math.floor(x / cell)] as Colour);
      const from = inScale ? -1 : (y * seen.width + x) * 3;
      const isLine = !inScale && (begins(x, cell) || begins(y, cell));
      for (let c = 0; c < 3; c++) {
        const tint = colour[c] as number;
        const picture = seen.data[from + c] as number;
        data[to + c] = inScale
          ? tint
          : Math.round(isLine ? picture * LINE_SHARE : picture * PICTURE_SHARE + tint * (1 - PICTURE_SHARE));
      }
    }
  }
  const raw = { width: side, height: side + SCALE_LINES, channels: 3 } as const;
  return sharp()(data, { raw, limitInputPixels: false }).png().toBuffer();
}

/** Pixels of the overlay on a side of a pixel of the model's input. */
export function zoomOf({ grid, patch }: Pick<GridMap, 'grid' | 'patch'>): number {
  return Math.ceil(SIDE / (grid * patch));
}

/** Whether a cell begins at a pixel. Cells of a convolution's map may have a fractional width. */
function begins(pixel: number, cell: number): boolean {
  return pixel === 0 || Math.floor(pixel / cell) !== Math.floor((pixel - 1) / cell);
}

type Colour = readonly [red: number, green: number, blue: number];

function coloursOf(values: ArrayLike<number>): Colour[] {
  const list = Array.from(values);
  const [least, greatest] = [Math.min(...list), Math.max(...list)];
  return list.map((value) => colourAt(greatest > least ? (value - least) / (greatest - least) : 0));
}

/** A colour of viridis, linear between its steps. @param share 0 to 1 */
export function colourAt(share: number): Colour {
  const at = share * (VIRIDIS.length - 1);
  const step = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const [low, high] = [VIRIDIS[step] as number, VIRIDIS[step + 1] as number];
  const channel = (shift: number) => {
    const [from, to] = [(low >> shift) & 255, (high >> shift) & 255];
    return Math.round(from + (to - from) * (at - step));
  };
  return [channel(16), channel(8), channel(0)];
}
