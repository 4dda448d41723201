import type { RgbImage } from '../resample.ts';
import type { Layout } from './blocks.ts';
import { type Directory, TAG } from './directory.ts';
import type { Samples } from './samples.ts';

/** The sample values of black and white. */
export interface Range {
  readonly black: number;
  readonly white: number;
  /** A note for the user if the file does not contain the range. */
  readonly note?: string;
}

/** Share of the range by which floating-point data may exceed it, because resampling overshoots. */
const OVERSHOOT = 0.01;

/**
 * The range of samples in the file. If the file does not contain it: for floating point, 0–1 or 0–255 if all values are in it; for
 * integers, the smallest usual number of bits for the greatest value.
 *
 * @returns undefined if the range is unknown
 */
export function rangeOf(
  directory: Directory,
  { bits, sampleFormat }: Layout,
  { least, greatest }: Samples,
): Range | undefined {
  if (sampleFormat === 3) {
    const declared =
      declaredRange(directory, TAG.sMinSample, TAG.sMaxSample) ??
      declaredRange(directory, TAG.minSample, TAG.maxSample);
    if (declared !== undefined && holds(declared, least, greatest)) return declared;
    return [
      { black: 0, white: 1 },
      { black: 0, white: 255 },
    ].find((range) => holds(range, least, greatest));
  }
  if (sampleFormat === 2) {
    const declared = declaredRange(directory, TAG.sMinSample, TAG.sMaxSample);
    if (declared !== undefined && holds(declared, least, greatest)) return declared;
    if (least < 0) return undefined;
  }
  const top = sampleFormat === 2 ? bits - 1 : bits;
  const declared = directory.value(TAG.maxSample);
  if (declared !== undefined && declared >= greatest && declared > 255)
    return { black: 0, white: 2 ** bitsOf(declared) - 1 };
  const likely = (bits > 12 ? [8, 10, 12, ...(bits > 16 ? [16] : [])] : []).find((n) => greatest < 2 ** n);
  if (likely === undefined || likely >= top) return { black: 0, white: 2 ** top - 1 };
  return {
    black: 0,
    white: 2 ** likely - 1,
    note: `its samples have ${bits} bits, and the greatest is ${greatest}: they are read as ${likely} bits`,
  };
}

/** The declared range. It is ignored if it is only the lowest and highest sample of the file. */
function declaredRange(directory: Directory, low: number, high: number): Range | undefined {
  const [black, white] = [Math.min(...directory.values(low)), Math.max(...directory.values(high))];
  if (!Number.isFinite(white)) return undefined;
  return Number.isFinite(black) && black < white ? { black, white } : white > 0 ? { black: 0, white } : undefined;
}

function holds({ black, white }: Range, least: number, greatest: number): boolean {
  const slack = OVERSHOOT * (white - black);
  return least >= black - slack && greatest <= white + slack;
}

function bitsOf(greatest: number): number {
  return Math.ceil(Math.log2(greatest + 1));
}

/** Samples to 8 bits: `255 · (value − black) / (white − black)`, rounded; inverted if 0 is white. */
export function toRgb(
  { values, channels }: Samples,
  { width, height, photometric }: Layout,
  { black, white }: Range,
): RgbImage {
  const data = new Uint8ClampedArray(width * height * 3); // rounds and clamps
  const scale = 255 / (white - black);
  const inverted = photometric === 0;
  const level = (value: number) => (inverted ? 255 - (value - black) * scale : (value - black) * scale);
  if (channels === 3) for (let n = 0; n < data.length; n++) data[n] = level(values[n] as number);
  else for (let n = 0; n < values.length; n++) data.fill(level(values[n] as number), n * 3, n * 3 + 3);
  return { width, height, data };
}
