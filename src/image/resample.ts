/** 8-bit RGB pixels, row after row. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** `width · height · 3` bytes */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The kernels that CLIP models are trained with; both widen with the reduction, so that they antialias. */
export type Filter = 'bicubic' | 'bilinear';

/** A range of output pixels on one axis: the part of the resized image that is wanted. */
export interface Span {
  /** The length of the whole resized axis. */
  readonly resized: number;
  readonly first: number;
  readonly length: number;
}

/** What each wanted output pixel of one axis is made of. */
interface Kernel {
  /** The first input pixel of each output pixel. */
  readonly starts: Int32Array;
  /** How many input pixels each output pixel takes. */
  readonly lengths: Int32Array;
  /** Weights in fixed point, `stride` per output pixel. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Weights are integers of this many fractional bits, as Pillow has them: 32 less 8 for a pixel less 2 for overshoot. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

const FILTERS: Readonly<Record<Filter, { readonly support: number; readonly at: (x: number) => number }>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: (x) => cubic(Math.abs(x)) },
};

/** Keys' cubic convolution with a = -0.5. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/**
 * Resizes as Pillow does, byte for byte, and computes only the wanted part: two passes, columns first, each in
 * 22-bit fixed point and rounded and clamped to 8 bits (python-pillow/Pillow, src/libImaging/Resample.c). A pass over an axis
 * that keeps its length changes nothing. Pillow 13 and later takes the rows first where the height shrinks much more than
 * the width (#9549), which moves some pixels by one level; models are trained on what it did before.
 *
 * @returns the wanted part, `columns.length × rows.length`
 */
export function resample(image: RgbImage, columns: Span, rows: Span, filter: Filter): RgbImage {
  const across = axisKernel(image.width, columns, filter);
  const down = axisKernel(image.height, rows, filter);
  const top = down.starts[0] as number;
  const last = rows.length - 1;
  const bottom = (down.starts[last] as number) + (down.lengths[last] as number);
  const narrow = resampleColumns(image, across, columns.length, top, bottom);
  return resampleRows(narrow, down, rows.length, top);
}

/** Horizontal pass over the input rows `top` to `bottom`: `[h, w, 3] → [bottom - top, width, 3]`. */
function resampleColumns(image: RgbImage, kernel: Kernel, width: number, top: number, bottom: number): RgbImage {
  const { starts, lengths, weights, stride } = kernel;
  const source = image.data;
  const data = new Uint8ClampedArray((bottom - top) * width * 3);
  let to = 0;
  for (let y = top; y < bottom; y++) {
    const line = y * image.width * 3;
    for (let x = 0; x < width; x++) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let from = line + (starts[x] as number) * 3;
      const end = x * stride + (lengths[x] as number);
      for (let k = x * stride; k < end; k++) {
        const weight = weights[k] as number;
        r = (r + Math.imul(source[from] as number, weight)) | 0;
        g = (g + Math.imul(source[from + 1] as number, weight)) | 0;
        b = (b + Math.imul(source[from + 2] as number, weight)) | 0;
        from += 3;
      }
      data[to++] = r >> PRECISION;
      data[to++] = g >> PRECISION;
      data[to++] = b >> PRECISION;
    }
  }
  return { width, height: bottom - top, data };
}

/** Vertical pass, a whole line at a time: `[h, w, 3] → [height, w, 3]`; line 0 of the image is input row `top`. */
function resampleRows(image: RgbImage, kernel: Kernel, height: number, top: number): RgbImage {
  const { starts, lengths, weights, stride } = kernel;
  const source = image.data;
  const size = image.width * 3;
  const data = new Uint8ClampedArray(height * size);
  const sums = new Int32Array(size);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    let from = ((starts[y] as number) - top) * size;
    const end = y * stride + (lengths[y] as number);
    for (let k = y * stride; k < end; k++) {
      const weight = weights[k] as number;
      for (let i = 0; i < size; i++) sums[i] = (sums[i] as number) + Math.imul(source[from + i] as number, weight);
      from += size;
    }
    const to = y * size;
    for (let i = 0; i < size; i++) data[to + i] = (sums[i] as number) >> PRECISION;
  }
  return { width: image.width, height, data };
}

/** The weights of the wanted output pixels; computed in double precision and in Pillow's order of operations. */
function axisKernel(input: number, { resized, first, length }: Span, filter: Filter): Kernel {
  if (resized === input) {
    return {
      starts: Int32Array.from({ length }, (_, i) => first + i),
      lengths: new Int32Array(length).fill(1),
      weights: new Int32Array(length).fill(1 << PRECISION),
      stride: 1,
    };
  }
  const { support: radius, at } = FILTERS[filter];
  const scale = input / resized;
  const widening = Math.max(scale, 1);
  const support = radius * widening;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const lengths = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), input) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      exact[k] = at((k + start - center + 0.5) * (1 / widening));
      sum += exact[k] as number;
    }
    for (let k = 0; k < count; k++) {
      const weight = sum === 0 ? (exact[k] as number) : (exact[k] as number) / sum;
      weights[i * stride + k] = Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION));
    }
    starts[i] = start;
    lengths[i] = count;
  }
  return { starts, lengths, weights, stride };
}
