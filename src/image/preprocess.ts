import type { Filter, Span } from './kernel.ts';
import { type RgbImage, resample } from './resample.ts';

/** Three numbers, one for each of red, green and blue. */
export type PerChannel = readonly [number, number, number];

/** How a model wants its images. */
export interface Preprocessing {
  /** S, pixels on a side of the square that goes into the model. */
  readonly size: number;
  /** 'crop': the short side is resized to `resizeTo` and the middle is cut out; 'squash': both sides are resized to S. */
  readonly fit: 'crop' | 'squash';
  /** The short side before the crop, at least S; as a rule S itself. */
  readonly resizeTo: number;
  readonly filter: Filter;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/**
 * The S × S pixels that the model sees, equal byte for byte to Pillow and torchvision's Resize and CenterCrop: the long
 * side is truncated to whole pixels, the crop's offset rounded half to even. Only what the crop needs is computed,
 * so an image of 1 × 50,000 pixels costs no more than its pixels.
 */
export function fitImage(image: RgbImage, { size, fit, resizeTo, filter }: Preprocessing): RgbImage {
  const short = Math.min(image.width, image.height);
  const axis = (length: number): Span => {
    if (fit === 'squash') return { resized: size, first: 0, length: size };
    const resized = length === short ? resizeTo : Math.trunc((resizeTo * length) / short);
    return { resized, first: roundHalfEven((resized - size) / 2), length: size };
  };
  return resample(image, axis(image.width), axis(image.height), filter);
}

/**
 * `(pixel / 255 - mean) / std`, channel by channel.
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

/** What each byte becomes, for each channel. */
function tablesOf(preprocessing: Preprocessing): Tables {
  const known = tables.get(preprocessing);
  if (known !== undefined) return known;
  const { mean, std } = preprocessing;
  const table = (channel: 0 | 1 | 2) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte / 255 - mean[channel]) / std[channel]);
  const made: Tables = [table(0), table(1), table(2)];
  tables.set(preprocessing, made);
  return made;
}

/** Python's `round`: 0.5 → 0, 1.5 → 2, 2.5 → 2. */
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
