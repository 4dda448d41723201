// AssemblyScript: compiled to WebAssembly by tools/compile-wasm.js, driven by ../resample.ts, which lays out the memory.

/** Fractional bits of a weight. */
const PRECISION: i32 = 22;

/**
 * Columns pass over `rows` lines of 8-bit RGB, two lines at a time. Four pixels are twelve values, so they fill three
 * vectors of four sums: lanes r g b r, g b r g and b r g b. Weights come in groups of four; those past the kernel's end
 * are 0, whatever pixels they meet.
 *
 * @param source [rows, pitch] bytes, with at least 16 more behind them
 * @param starts for each output pixel the byte in its line where its kernel starts
 * @param groups for each output pixel how many groups of four weights it takes
 * @param weights [width, stride] i32
 * @param target [rows, targetPitch] bytes; targetPitch is more than 3 · width
 */
export function columns(
  source: usize,
  pitch: usize,
  rows: i32,
  starts: usize,
  groups: usize,
  weights: usize,
  stride: usize,
  width: i32,
  target: usize,
  targetPitch: usize,
): void {
  for (let y = 0; y < rows; y += 2) {
    // The last of an odd number of lines is computed twice.
    const below: usize = y + 1 < rows ? 1 : 0;
    const upperLine = source + (<usize>y) * pitch;
    const lowerLine = upperLine + below * pitch;
    let upperTarget = target + (<usize>y) * targetPitch;
    let lowerTarget = upperTarget + below * targetPitch;
    for (let x = 0; x < width; x++) {
      const start = <usize>load<i32>(starts + (<usize>x << 2));
      let weight = weights + (((<usize>x) * stride) << 2);
      const end = weight + ((<usize>load<i32>(groups + (<usize>x << 2))) << 4);
      let upper = upperLine + start;
      let lower = lowerLine + start;
      let upper0 = i32x4(0, 0, 0, 0);
      let upper1 = i32x4(0, 0, 0, 0);
      let upper2 = i32x4(0, 0, 0, 0);
      let lower0 = i32x4(0, 0, 0, 0);
      let lower1 = i32x4(0, 0, 0, 0);
      let lower2 = i32x4(0, 0, 0, 0);
      while (weight < end) {
        const four = v128.load(weight);
        const weights0 = v128.shuffle<i32>(four, four, 0, 0, 0, 1);
        const weights1 = v128.shuffle<i32>(four, four, 1, 1, 2, 2);
        const weights2 = v128.shuffle<i32>(four, four, 2, 3, 3, 3);
        const above = v128.load(upper);
        upper0 = i32x4.add(upper0, i32x4.mul(values0(above), weights0));
        upper1 = i32x4.add(upper1, i32x4.mul(values1(above), weights1));
        upper2 = i32x4.add(upper2, i32x4.mul(values2(above), weights2));
        const beneath = v128.load(lower);
        lower0 = i32x4.add(lower0, i32x4.mul(values0(beneath), weights0));
        lower1 = i32x4.add(lower1, i32x4.mul(values1(beneath), weights1));
        lower2 = i32x4.add(lower2, i32x4.mul(values2(beneath), weights2));
        weight += 16;
        upper += 12;
        lower += 12;
      }
      // Each store's fourth byte is overwritten by the next pixel.
      v128.store_lane<u32>(upperTarget, pixel(upper0, upper1, upper2), 0);
      v128.store_lane<u32>(lowerTarget, pixel(lower0, lower1, lower2), 0);
      upperTarget += 3;
      lowerTarget += 3;
    }
  }
}

/** Bytes 0 to 3 as integers. */
// @ts-expect-error: a decorator of AssemblyScript
@inline
function values0(bytes: v128): v128 {
  return v128.swizzle(bytes, i8x16(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1));
}

/** Bytes 4 to 7. */
// @ts-expect-error: a decorator of AssemblyScript
@inline
function values1(bytes: v128): v128 {
  return v128.swizzle(bytes, i8x16(4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1));
}

/** Bytes 8 to 11. */
// @ts-expect-error: a decorator of AssemblyScript
@inline
function values2(bytes: v128): v128 {
  return v128.swizzle(bytes, i8x16(8, -1, -1, -1, 9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1));
}

/** Lanes r g b r, g b r g and b r g b become the bytes r, g, b: added up, rounded, clamped. */
// @ts-expect-error: a decorator of AssemblyScript
@inline
function pixel(sums0: v128, sums1: v128, sums2: v128): v128 {
  let sum = i32x4.add(i32x4.splat(1 << (PRECISION - 1)), sums0);
  sum = i32x4.add(sum, v128.shuffle<i32>(sums0, sums1, 3, 4, 5, 3));
  sum = i32x4.add(sum, v128.shuffle<i32>(sums1, sums2, 2, 3, 4, 2));
  sum = i32x4.add(sum, v128.shuffle<i32>(sums2, sums2, 1, 2, 3, 1));
  const words = i16x8.narrow_i32x4_s(i32x4.shr_s(sum, PRECISION), i32x4.shr_s(sum, PRECISION));
  return i8x16.narrow_i16x8_u(words, words);
}

/** Before any line has been added: a half for every sum, so that the shift at the end rounds. */
export function clear(sums: usize, vectors: i32): void {
  const half = i32x4.splat(1 << (PRECISION - 1));
  for (let i = 0; i < vectors; i++) v128.store(sums + ((<usize>i) << 4), half);
}

/**
 * Rows pass: adds lines `first` to `first + count` to the sums of every output row whose kernel meets them.
 *
 * @param lines [count, pitch] bytes; pitch is a multiple of 16
 * @param starts for each output row the line where its kernel starts
 * @param lengths for each output row how many lines it takes
 * @param weights [height, stride] i32
 * @param sums [height, pitch] i32
 */
export function rows(
  lines: usize,
  pitch: usize,
  first: i32,
  count: i32,
  starts: usize,
  lengths: usize,
  weights: usize,
  stride: usize,
  height: i32,
  sums: usize,
): void {
  for (let y = 0; y < height; y++) {
    const start = load<i32>(starts + (<usize>y << 2));
    const from = max(start, first);
    const to = min(start + load<i32>(lengths + (<usize>y << 2)), first + count);
    if (from >= to) continue;
    const weight = weights + (((<usize>y) * stride + <usize>(from - start)) << 2);
    const weightEnd = weight + ((<usize>(to - from)) << 2);
    let line = lines + (<usize>(from - first)) * pitch;
    const lineEnd = line + pitch;
    let sum = sums + (((<usize>y) * pitch) << 2);
    while (line < lineEnd) {
      let sums0 = v128.load(sum, 0);
      let sums1 = v128.load(sum, 16);
      let sums2 = v128.load(sum, 32);
      let sums3 = v128.load(sum, 48);
      let at = line;
      for (let w = weight; w < weightEnd; w += 4) {
        const factor = v128.load32_splat(w);
        const low = v128.load_ext<u8>(at, 0);
        const high = v128.load_ext<u8>(at, 8);
        sums0 = i32x4.add(sums0, i32x4.mul(i32x4.extend_low_i16x8_u(low), factor));
        sums1 = i32x4.add(sums1, i32x4.mul(i32x4.extend_high_i16x8_u(low), factor));
        sums2 = i32x4.add(sums2, i32x4.mul(i32x4.extend_low_i16x8_u(high), factor));
        sums3 = i32x4.add(sums3, i32x4.mul(i32x4.extend_high_i16x8_u(high), factor));
        at += pitch;
      }
      v128.store(sum, sums0, 0);
      v128.store(sum, sums1, 16);
      v128.store(sum, sums2, 32);
      v128.store(sum, sums3, 48);
      sum += 64;
      line += 16;
    }
  }
}

/** Rounded and clamped: `vectors · 16` sums become as many bytes. */
export function finish(sums: usize, vectors: i32, target: usize): void {
  for (let i = 0; i < vectors; i++) {
    const sum = sums + ((<usize>i) << 6);
    const low = i16x8.narrow_i32x4_s(
      i32x4.shr_s(v128.load(sum, 0), PRECISION),
      i32x4.shr_s(v128.load(sum, 16), PRECISION),
    );
    const high = i16x8.narrow_i32x4_s(
      i32x4.shr_s(v128.load(sum, 32), PRECISION),
      i32x4.shr_s(v128.load(sum, 48), PRECISION),
    );
    v128.store(target + ((<usize>i) << 4), i8x16.narrow_i16x8_u(low, high));
  }
}
