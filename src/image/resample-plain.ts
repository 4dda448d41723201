import type { Kernel } from './kernel.ts';

/** 8-bit RGB pixels, row after row. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Fractional bits of a weight. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** The two passes of {@link resample} without WebAssembly: the same bytes, about ten times slower. */
export function resamplePlainly(image: Pixels, across: Kernel, down: Kernel): Pixels {
  const last = down.starts.length - 1;
  const top = down.starts[0] as number;
  const bottom = (down.starts[last] as number) + (down.lengths[last] as number);
  const [width, height] = [across.starts.length, down.starts.length];
  const narrow = new Uint8ClampedArray(width * (bottom - top) * 3);
  for (let y = top; y < bottom; y++) {
    const line = y * image.width * 3;
    pass(image.data, narrow, { kernel: across, from: line, step: 3, to: (y - top) * width * 3, toStep: 3, lines: 3 });
  }
  const data = new Uint8ClampedArray(width * height * 3);
  const shifted = { ...down, starts: down.starts.map((start) => start - top) };
  pass(narrow, data, { kernel: shifted, from: 0, step: width * 3, to: 0, toStep: width * 3, lines: width * 3 });
  return { width, height, data: new Uint8Array(data.buffer) };
}

/** One axis: `lines` values next to each other, each a sum of values `step` apart. */
function pass(
  source: Pixels['data'],
  target: Uint8ClampedArray,
  at: {
    readonly kernel: Kernel;
    readonly from: number;
    readonly step: number;
    readonly to: number;
    readonly toStep: number;
    readonly lines: number;
  },
): void {
  const { starts, lengths, weights, stride } = at.kernel;
  for (let i = 0; i < starts.length; i++) {
    const from = at.from + (starts[i] as number) * at.step;
    const count = lengths[i] as number;
    for (let n = 0; n < at.lines; n++) {
      let sum = HALF;
      for (let k = 0; k < count; k++)
        sum = (sum + Math.imul(source[from + k * at.step + n] as number, weights[i * stride + k] as number)) | 0;
      target[at.to + i * at.toStep + n] = sum >> PRECISION;
    }
  }
}
