import type { Filter, Span } from './kernel.ts';
import { type RgbImage, resample } from './resample.ts';

/** Three numbers, one for each of red, green and blue. */
export type PerChannel = readonly [number, number, number];

/** The preprocessing of a model. */
export interface Preprocessing {
  /** S, the side of the model's input in pixels. */
  readonly size: number;
  /** What is resized before the middle is cut out: the short side, both sides, the long side, or nothing. */
  readonly fit: 'crop' | 'squash' | 'pad' | 'none';
  /** The length of this side before the crop, usually S. A side that is shorter than S is padded with black. */
  readonly resizeTo: number;
  /** With `crop`: the most pixels of the long side; the short side then becomes shorter than `resizeTo`. Absent: no limit. */
  readonly longestEdge?: number;
  /** How half a pixel at the start of the crop is rounded: down as in transformers, or to the even pixel as in torchvision and open_clip. */
  readonly rounding: 'down' | 'even';
  readonly filter: Filter;
  /** Pixels are divided by this number before mean and std; usually 255. */
  readonly divisor: number;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/**
 * The S × S pixels that the model sees, equal byte for byte to those of transformers or torchvision with Pillow:
 * the long side is truncated to whole pixels. Only what the crop needs is computed, so an image of 1 × 50,000 pixels costs
 * no more than its pixels.
 *
 * @param zoom the factor by which each side is larger than S
 */
export function fitImage(
  image: RgbImage,
  { size, fit, resizeTo, longestEdge = Number.POSITIVE_INFINITY, rounding, filter }: Preprocessing,
  zoom = 1,
): RgbImage {
  const [short, long] = [Math.min(image.width, image.height), Math.max(image.width, image.height)];
  const side = size * zoom;
  const axis = (length: number): Span => {
    const wanted = resizeTo * zoom;
    const limited = Math.min(wanted, (longestEdge * zoom * short) / long);
    const resized = {
      crop: () => (length === short ? roundHalfEven(limited) : Math.trunc((limited * length) / short)),
      squash: () => wanted,
      pad: () => roundHalfEven(length / (long / wanted)), // open_clip, ResizeKeepRatio
      none: () => length * zoom,
    }[fit]();
    const half = (resized - side) / 2;
    const first = fit === 'pad' ? Math.ceil(half) : rounding === 'down' ? Math.floor(half) : roundHalfEven(half);
    return { resized, first, length: side };
  };
  const [columns, rows] = [axis(image.width), axis(image.height)];
  const seen = resample(image, inside(columns), inside(rows), filter);
  return seen.width === side && seen.height === side ? seen : pad(seen, side, -columns.first, -rows.first);
}

/** The part of a span that has pixels. */
function inside({ resized, first, length }: Span): Span {
  const start = Math.max(first, 0);
  return { resized, first: start, length: Math.min(first + length, resized) - start };
}

/** An image on a black square, at the given distance from the left and upper edge. */
function pad({ width, height, data }: RgbImage, side: number, left: number, top: number): RgbImage {
  const [x, y] = [Math.max(left, 0), Math.max(top, 0)];
  const square = new Uint8Array(side * side * 3);
  for (let line = 0; line < height; line++) {
    square.set(data.subarray(line * width * 3, (line + 1) * width * 3), ((y + line) * side + x) * 3);
  }
  return { width: side, height: side, data: square };
}

/** The short side of the picture that is resampled, at most; no picture is large enough if nothing is resized. */
export function shortSideWanted({ fit, resizeTo }: Preprocessing): number {
  return fit === 'none' ? Number.POSITIVE_INFINITY : resizeTo;
}

/**
 * `(pixel / divisor - mean) / std`, channel by channel.
 *
 * @param image S × S pixels
 * @returns [3, S, S]
 */
export function normalize(image: RgbImage, preprocessing: Preprocessing): Float32Array {
  const [red, green, blue] = tablesOf(preprocessing);
  const { width, height, data } = image;
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let i = 0, from = 0; i < plane; i++, from += 3) {
    values[i] = red[data[from] as number] as number;
    values[plane + i] = green[data[from + 1] as number] as number;
    values[2 * plane + i] = blue[data[from + 2] as number] as number;
  }
  return values;
}

type Tables = readonly [red: Float32Array, green: Float32Array, blue: Float32Array];
const tables = new WeakMap<Preprocessing, Tables>();

/** The normalised value of each byte, for each channel. */
function tablesOf(preprocessing: Preprocessing): Tables {
  const known = tables.get(preprocessing);
  if (known !== undefined) return known;
  const { divisor, mean, std } = preprocessing;
  const table = (channel: 0 | 1 | 2) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte / divisor - mean[channel]) / std[channel]);
  const made: Tables = [table(0), table(1), table(2)];
  tables.set(preprocessing, made);
  return made;
}

/** Python's `round`: 0.5 → 0, 1.5 → 2, 2.5 → 2. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
