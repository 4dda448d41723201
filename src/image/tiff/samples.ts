import { type Block, blocksOf, type Layout } from './blocks.ts';
import type { Directory } from './directory.ts';

/** The numbers of a picture, before they become pixels. */
export interface Samples {
  /** `width · height · channels` */
  readonly values: Float32Array;
  /** 1 for grey, 3 for red, green and blue. */
  readonly channels: 1 | 3;
  /** The alpha of each pixel, if the picture has alpha. */
  readonly alpha?: Float32Array;
  readonly least: number;
  readonly greatest: number;
}

/**
 * Reads the samples of grey and colour pictures, and their alpha. Other channels are skipped. NaN becomes 0.
 *
 * @throws RangeError if the data are truncated or stored in an unknown way
 */
export function readSamples(bytes: Uint8Array, directory: Directory, layout: Layout): Samples {
  const { width, height, samples, planar } = layout;
  const channels = samples >= 3 ? 3 : 1;
  const values = new Float32Array(width * height * channels);
  const stride = planar ? 1 : samples;
  const alpha = layout.alpha && new Float32Array(width * height);
  const alphaAt = layout.alpha?.channel ?? 0;
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { row, left, y, columns, channel } of rowsOf(bytes, directory, layout)) {
    if (alpha !== undefined && (!planar || channel === alphaAt)) {
      for (let x = 0; x < columns; x++)
        alpha[y * width + left + x] = row[x * stride + (planar ? 0 : alphaAt)] as number;
    }
    if (channel >= channels) continue;
    const to = (y * width + left) * channels;
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < (planar ? 1 : channels); c++) {
        const read = row[x * stride + c] as number;
        const value = Number.isNaN(read) ? 0 : read;
        if (value < least) least = value;
        if (value > greatest) greatest = value;
        values[to + x * channels + (planar ? channel : c)] = value;
      }
    }
  }
  return { values, channels, ...(alpha && { alpha }), least, greatest };
}

/** Whether a sample is greater than `limit`. Stops at the first one. @throws RangeError */
export function exceeds(bytes: Uint8Array, directory: Directory, layout: Layout, limit: number): boolean {
  for (const { row, columns } of rowsOf(bytes, directory, layout)) {
    const count = columns * (layout.planar ? 1 : layout.samples);
    for (let n = 0; n < count; n++) if ((row[n] as number) > limit) return true;
  }
  return false;
}

/** A part of a line of the picture. The numbers are valid until the next part. */
interface Row {
  readonly row: Float64Array;
  readonly left: number;
  readonly y: number;
  readonly columns: number;
  readonly channel: number;
}

function* rowsOf(bytes: Uint8Array, directory: Directory, layout: Layout): Generator<Row> {
  const { width, height, samples, bits, planar } = layout;
  const stride = planar ? 1 : samples;
  const rowBytes = (columns: number) => Math.ceil((columns * stride * bits) / 8);
  for (const block of blocksOf(bytes, directory, layout, (columns, rows) => rowBytes(columns) * rows)) {
    const rows = rowReader(block, layout, rowBytes(block.width), stride, directory.littleEndian);
    const columns = Math.min(block.width, width - block.left);
    for (let y = 0; y < Math.min(block.height, height - block.top); y++)
      yield { row: rows(y), left: block.left, y: block.top + y, columns, channel: block.channel };
  }
}

/** Reads the rows of a block. With a predictor, each number is the difference to its neighbour. */
function rowReader(
  block: Block,
  { bits, sampleFormat, predictor }: Layout,
  rowBytes: number,
  stride: number,
  littleEndian: boolean,
): (y: number) => Float64Array {
  const count = block.width * stride;
  const row = new Float64Array(count);
  const modulus = 2 ** bits;
  const size = bits / 8;
  return (y) => {
    let data = block.data.subarray(y * rowBytes, (y + 1) * rowBytes);
    let le = littleEndian;
    if (predictor === 3) [data, le] = [undoFloatPredictor(data, count, size, stride), false];
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const number = readerOf(bits, predictor === 2 ? 1 : sampleFormat);
    for (let n = 0; n < count; n++) row[n] = number(view, n, le);
    if (predictor === 2) {
      for (let n = stride; n < count; n++) row[n] = ((row[n] as number) + (row[n - stride] as number)) % modulus;
      if (sampleFormat === 2)
        for (let n = 0; n < count; n++) if ((row[n] as number) >= modulus / 2) row[n] = (row[n] as number) - modulus;
    }
    return row;
  };
}

/** TIFF Technical Note 3: differences of bytes; bytes of the same significance are next to each other, highest first. */
function undoFloatPredictor(data: Uint8Array, count: number, size: number, stride: number): Uint8Array {
  const sums = Uint8Array.from(data);
  for (let n = stride; n < sums.length; n++) sums[n] = (sums[n] as number) + (sums[n - stride] as number);
  const out = new Uint8Array(sums.length);
  for (let n = 0; n < count; n++) {
    for (let b = 0; b < size; b++) out[n * size + b] = sums[b * count + n] as number;
  }
  return out;
}

type ReadNumber = (view: DataView, n: number, littleEndian: boolean) => number;

/** Samples of a kind that is not known here. */
export class UnsupportedSamples extends Error {}

/** @throws UnsupportedSamples */
function readerOf(bits: number, sampleFormat: number): ReadNumber {
  if (sampleFormat === 3) {
    if (bits === 16) return (view, n, le) => halfToNumber(view.getUint16(n * 2, le));
    if (bits === 32) return (view, n, le) => view.getFloat32(n * 4, le);
    if (bits === 64) return (view, n, le) => view.getFloat64(n * 8, le);
  } else if (sampleFormat === 2) {
    if (bits === 8) return (view, n) => view.getInt8(n);
    if (bits === 16) return (view, n, le) => view.getInt16(n * 2, le);
    if (bits === 32) return (view, n, le) => view.getInt32(n * 4, le);
  } else if (sampleFormat !== 5 && sampleFormat !== 6) {
    // 5 and 6 are complex numbers
    if (bits === 8) return (view, n) => view.getUint8(n);
    if (bits === 16) return (view, n, le) => view.getUint16(n * 2, le);
    if (bits === 32) return (view, n, le) => view.getUint32(n * 4, le);
    if (bits > 8 && bits < 16) return packedReader(bits);
  }
  const kind = sampleFormat === 5 || sampleFormat === 6 ? 'complex ' : '';
  throw new UnsupportedSamples(`its ${kind}samples of ${bits} bits are not supported`);
}

/** Numbers of 9 to 15 bits, the highest bit first, without gaps within a row. */
function packedReader(bits: number): ReadNumber {
  return (view, n) => {
    const start = n * bits;
    const first = start >> 3;
    const byte = (at: number) => (at < view.byteLength ? view.getUint8(at) : 0);
    const three = (byte(first) << 16) | (byte(first + 1) << 8) | byte(first + 2);
    return (three >> (24 - (start & 7) - bits)) & ((1 << bits) - 1);
  };
}

/** IEEE 754 binary16. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
