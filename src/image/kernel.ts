/** Pillow's filters. All but nearest widen with the reduction, so that they antialias; models are trained with bicubic or bilinear. */
export type Filter = 'nearest' | 'lanczos' | 'bilinear' | 'bicubic' | 'box' | 'hamming';

/** The needed range of output pixels on one axis. */
export interface Span {
  /** The length of the whole resized axis. */
  readonly resized: number;
  readonly first: number;
  readonly length: number;
}

/** The input pixels and weights of each output pixel on one axis. */
export interface Kernel {
  /** The first input pixel of each output pixel. */
  readonly starts: Int32Array;
  /** The number of input pixels of each output pixel. */
  readonly lengths: Int32Array;
  /** Weights in fixed point, `stride` per output pixel. */
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Fractional bits of the integer weights, as in Pillow: 32 minus 8 for a pixel minus 2 for overshoot. */
const PRECISION = 22;

/** Pillow has these in single precision. */
const HAMMING = [Math.fround(0.54), Math.fround(0.46)] as const;

const FILTERS: Readonly<
  Record<Exclude<Filter, 'nearest'>, { readonly support: number; readonly at: (x: number) => number }>
> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  hamming: {
    support: 1,
    at: (x) => (Math.abs(x) < 1 ? sinc(x) * (HAMMING[0] + HAMMING[1] * Math.cos(x * Math.PI)) : 0),
  },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic convolution with a = -0.5. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** The weights of the needed output pixels, computed in double precision and in Pillow's order of operations. */
export function axisKernel(input: number, { resized, first, length }: Span, filter: Filter): Kernel {
  if (resized === input) return onePixelEach(Int32Array.from({ length }, (_, i) => first + i));
  if (filter === 'nearest') return onePixelEach(nearest(input / resized, first, length));
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

function onePixelEach(starts: Int32Array): Kernel {
  const { length } = starts;
  return {
    starts,
    lengths: new Int32Array(length).fill(1),
    weights: new Int32Array(length).fill(1 << PRECISION),
    stride: 1,
  };
}

/** The pixel under the middle of each output pixel, which Pillow finds by adding the scale up (Geometry.c, ImagingScaleAffine). */
function nearest(scale: number, first: number, length: number): Int32Array {
  const starts = new Int32Array(length);
  let middle = scale * 0.5;
  for (let i = 0; i < first + length; i++, middle += scale) if (i >= first) starts[i - first] = Math.trunc(middle);
  return starts;
}
