import { axisKernel, type Filter, type Kernel, type Span } from './kernel.ts';
import { resamplePlainly } from './resample-plain.ts';
import { RESAMPLE_WASM } from './resample-wasm.ts';

/** 8-bit RGB pixels, row after row. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** `width · height · 3` bytes */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The exports of wasm/resample.ts. Every argument is a byte offset or a count. */
interface Passes {
  readonly columns: (...offsets: number[]) => void;
  readonly clear: (sums: number, vectors: number) => void;
  readonly rows: (...offsets: number[]) => void;
  readonly finish: (sums: number, vectors: number, target: number) => void;
}

interface WasmInstance {
  readonly memory: WebAssembly.Memory;
  readonly passes: Passes;
}

/** Bytes of the picture that are processed at once, so that they stay in the processor's cache. */
const STRIP = 1 << 18;
/** The most lines of a strip. */
const STRIP_LINES = 64;

/** WebAssembly memory never shrinks, so a picture that needs more than this gets an instance of its own. */
const KEPT_BYTES = 1 << 24;
const PAGE = 1 << 16;

/** Bits of the low half of a weight in the columns pass. */
const LOW_BITS = 11;
const LOW_MASK = (1 << LOW_BITS) - 1;
/** Two pixels of four lines. */
const PAIR_BYTES = 24;

/**
 * Resizes as Pillow does, byte for byte, and computes only the wanted part: two passes, each in
 * 22-bit fixed point and rounded and clamped to 8 bits (python-pillow/Pillow, src/libImaging/Resample.c). A pass over an axis
 * that keeps its length changes nothing. Like Pillow 13, it takes the rows first if the height shrinks by more than twice as
 * many pixels as the width (#9549).
 *
 * The arithmetic is SIMD in WebAssembly. The picture goes through it in strips: the columns of a strip, then what its
 * lines add to the output rows; so memory depends on the output and on the length of a line, not on the picture.
 *
 * @returns the wanted part, `columns.length × rows.length`
 */
export function resample(image: RgbImage, columns: Span, rows: Span, filter: Filter): RgbImage {
  const [shrinksBy, narrowsBy] = [image.height - rows.resized, image.width - columns.resized];
  if (!(shrinksBy > 0 && shrinksBy > 2 * narrowsBy)) return columnsFirst(image, columns, rows, filter);
  return columnsFirst(columnsFirst(image, whole(image.width), rows, filter), columns, whole(rows.length), filter);
}

function whole(length: number): Span {
  return { resized: length, first: 0, length };
}

function columnsFirst(image: RgbImage, columns: Span, rows: Span, filter: Filter): RgbImage {
  const across = axisKernel(image.width, columns, filter);
  const down = axisKernel(image.height, rows, filter);
  const [left, right] = extent(across);
  const [top, bottom] = extent(down);
  const [width, height] = [columns.length, rows.length];

  const pitch = (right - left) * 3;
  const lines = Math.max(1, Math.min(STRIP_LINES, Math.trunc(STRIP / pitch), bottom - top));
  // One byte more than a line, because each pixel is stored as four bytes, and the next pixel overwrites the fourth.
  const narrow = Math.ceil((width * 3 + 1) / 16) * 16;
  const pairs = (across.stride >> 1) + 1;
  const [layout, bytes] = lay({
    starts: width * 4,
    ends: width * 4,
    weights: width * pairs * 8,
    rowStarts: height * 4,
    rowLengths: height * 4,
    rowWeights: down.weights.length * 4,
    strip: lines * pitch,
    paired: pitch * 4 + 48,
    narrowed: lines * narrow,
    sums: height * narrow * 4,
    output: height * narrow,
  });
  const instance = instanceOf(bytes);
  if (instance === undefined) return resamplePlainly(image, across, down);
  const { memory, passes } = instance;
  const integers = new Int32Array(memory.buffer);
  pairWeights(across, left, pairs, {
    starts: integers.subarray(layout.starts >> 2),
    ends: integers.subarray(layout.ends >> 2),
    weights: integers.subarray(layout.weights >> 2),
  });
  integers.set(down.starts, layout.rowStarts >> 2);
  integers.set(down.lengths, layout.rowLengths >> 2);
  integers.set(down.weights, layout.rowWeights >> 2);

  passes.clear(layout.sums, (height * narrow) >> 2);
  const memoryBytes = new Uint8Array(memory.buffer);
  for (let y = top; y < bottom; y += lines) {
    const count = Math.min(lines, bottom - y);
    copyWindow(image, left, right, y, count, memoryBytes.subarray(layout.strip));
    const { strip, paired, starts, ends, weights, narrowed, rowStarts, rowLengths, rowWeights, sums } = layout;
    passes.columns(strip, pitch, count, paired, starts, ends, weights, pairs, width, narrowed, narrow);
    passes.rows(narrowed, narrow, y, count, rowStarts, rowLengths, rowWeights, down.stride, height, sums);
  }
  passes.finish(layout.sums, (height * narrow) >> 4, layout.output);
  return { width, height, data: unpad(memoryBytes.subarray(layout.output), narrow, width * 3, height) };
}

/** The input pixels of a kernel: the first, and the one after the last. */
function extent({ starts, lengths }: Kernel): readonly [first: number, end: number] {
  const last = starts.length - 1;
  return [starts[0] as number, (starts[last] as number) + (lengths[last] as number)];
}

/** Offsets for areas of the given sizes, one after the other. A vector may be read beyond the end of each. */
function lay<Area extends string>(sizes: Readonly<Record<Area, number>>): [Readonly<Record<Area, number>>, number] {
  let end = 0;
  const layout: Record<Area, number> = { ...sizes };
  for (const area of Object.keys(sizes) as Area[]) {
    layout[area] = end;
    end += Math.ceil(sizes[area] / 16) * 16 + 16;
  }
  return [layout, end];
}

/**
 * A kernel in the form of wasm/resample.ts: starting at an even pixel, in pairs, each weight as `high · 2^11 + low`. Unused weights
 * are 0.
 */
function pairWeights(
  { starts, lengths, weights, stride }: Kernel,
  left: number,
  pairs: number,
  to: { readonly starts: Int32Array; readonly ends: Int32Array; readonly weights: Int32Array },
): void {
  for (let i = 0; i < starts.length; i++) {
    const start = (starts[i] as number) - left;
    const [odd, length] = [start & 1, lengths[i] as number];
    const weight = (k: number) => (k >= 0 && k < length ? (weights[i * stride + k] as number) : 0);
    const count = (odd + length + 1) >> 1;
    to.starts[i] = (start >> 1) * PAIR_BYTES;
    to.ends[i] = count * 8;
    for (let pair = 0, at = i * pairs * 2; pair < count; pair++, at += 2) {
      const [first, second] = [weight(pair * 2 - odd), weight(pair * 2 - odd + 1)];
      to.weights[at] = ((first >> LOW_BITS) & 0xffff) | ((second >> LOW_BITS) << 16);
      to.weights[at + 1] = (first & LOW_MASK) | ((second & LOW_MASK) << 16);
    }
  }
}

/** The pixels from `left` to before `right` of `count` lines from line `top`, without gaps. */
function copyWindow(
  { width, data }: RgbImage,
  left: number,
  right: number,
  top: number,
  count: number,
  to: Uint8Array,
): void {
  if (right - left === width) {
    to.set(data.subarray(top * width * 3, (top + count) * width * 3));
    return;
  }
  for (let y = 0; y < count; y++) {
    const line = (top + y) * width;
    to.set(data.subarray((line + left) * 3, (line + right) * 3), y * (right - left) * 3);
  }
}

/** Copies lines of `length` bytes from lines of `pitch` bytes. */
function unpad(lines: Uint8Array, pitch: number, length: number, count: number): Uint8Array {
  const data = new Uint8Array(length * count);
  for (let y = 0; y < count; y++) data.set(lines.subarray(y * pitch, y * pitch + length), y * length);
  return data;
}

let compiled: WebAssembly.Module | undefined;
let kept: WasmInstance | undefined;

/** @returns undefined if WebAssembly gets no memory, because it reserves gigabytes of addresses, which ulimit -v forbids */
function instanceOf(bytes: number): WasmInstance | undefined {
  const pages = Math.ceil(bytes / PAGE);
  try {
    if (bytes > KEPT_BYTES) return newInstance(pages);
    kept ??= newInstance(pages);
    const missing = pages - kept.memory.buffer.byteLength / PAGE;
    if (missing > 0) kept.memory.grow(missing);
    return kept;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function newInstance(pages: number): WasmInstance {
  compiled ??= new WebAssembly.Module(Buffer.from(RESAMPLE_WASM, 'base64'));
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  // The module is compiled from wasm/resample.ts, which has these exports.
  return { memory, passes: exports as Passes };
}
