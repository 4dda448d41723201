// AssemblyScript: compiled to WebAssembly by tools/compile-wasm.js, driven by ../resample.ts, which lays out the memory.

/** Fractional bits of a weight. */
const PRECISION: i32 = 22;

/** Bits of the low half of a weight in the columns pass. */
const LOW_BITS: i32 = 11;

/**
 * Columns pass, four lines of 8-bit RGB at a time. Two neighbours of a channel make one lane of a dot product of 16-bit
 * integers; two pixels of four lines are twelve lanes, three vectors. A weight of 22 bits and a sign is two integers,
 * `high · 2^11 + low`, with a sum of its own for each; so the result is exact.
 *
 * @param source [lines, pitch] bytes; 16 more may be read
 * @param lines the number of lines; if it is not a multiple of four, the last line is used for the missing ones
 * @param pitch a multiple of 3
 * @param paired room for four lines in pairs: `pitch · 4 + 48` bytes
 * @param starts for each output pixel the byte in `paired` where its kernel starts
 * @param ends for each output pixel the end of its weights, in bytes from their start
 * @param weights [width, stride] pairs of weights, 8 bytes each: two high halves, two low halves
 * @param target [lines, targetPitch] bytes; targetPitch is more than 3 · width
 */
export function columns(
  source: usize,
  pitch: usize,
  lines: i32,
  paired: usize,
  starts: usize,
  ends: usize,
  weights: usize,
  stride: usize,
  width: i32,
  target: usize,
  targetPitch: usize,
): void {
  const last = lines - 1;
  for (let y = 0; y < lines; y += 4) {
    const line1 = <usize>min(y + 1, last);
    const line2 = <usize>min(y + 2, last);
    const line3 = <usize>min(y + 3, last);
    pair(
      source + <usize>y * pitch,
      source + line1 * pitch,
      source + line2 * pitch,
      source + line3 * pitch,
      pitch,
      paired,
    );
    let target0 = target + <usize>y * targetPitch;
    const below1 = target + line1 * targetPitch - target0;
    const below2 = target + line2 * targetPitch - target0;
    const below3 = target + line3 * targetPitch - target0;
    for (let x = 0; x < width; x++) {
      let from = paired + <usize>load<i32>(starts + ((<usize>x) << 2));
      let weight = weights + ((<usize>x * stride) << 3);
      const end = weight + <usize>load<i32>(ends + ((<usize>x) << 2));
      let high0 = i32x4(0, 0, 0, 0);
      let high1 = i32x4(0, 0, 0, 0);
      let high2 = i32x4(0, 0, 0, 0);
      let low0 = i32x4.splat(1 << (PRECISION - 1));
      let low1 = i32x4.splat(1 << (PRECISION - 1));
      let low2 = i32x4.splat(1 << (PRECISION - 1));
      while (weight < end) {
        const high = v128.load32_splat(weight, 0);
        const low = v128.load32_splat(weight, 4);
        const pixels0 = v128.load_ext<u8>(from, 0);
        const pixels1 = v128.load_ext<u8>(from, 8);
        const pixels2 = v128.load_ext<u8>(from, 16);
        high0 = i32x4.add(high0, i32x4.dot_i16x8_s(pixels0, high));
        low0 = i32x4.add(low0, i32x4.dot_i16x8_s(pixels0, low));
        high1 = i32x4.add(high1, i32x4.dot_i16x8_s(pixels1, high));
        low1 = i32x4.add(low1, i32x4.dot_i16x8_s(pixels1, low));
        high2 = i32x4.add(high2, i32x4.dot_i16x8_s(pixels2, high));
        low2 = i32x4.add(low2, i32x4.dot_i16x8_s(pixels2, low));
        weight += 8;
        from += 24;
      }
      const upper = i16x8.narrow_i32x4_s(rounded(high0, low0), rounded(high1, low1));
      const lower = i16x8.narrow_i32x4_s(rounded(high2, low2), i32x4(0, 0, 0, 0));
      const bytes = i8x16.narrow_i16x8_u(upper, lower);
      // Four pixels of three bytes. Each is stored as four bytes, and the next pixel overwrites the fourth.
      const four = v128.swizzle(bytes, i8x16(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
      v128.store_lane<u32>(target0, four, 0);
      v128.store_lane<u32>(target0 + below1, four, 1);
      v128.store_lane<u32>(target0 + below2, four, 2);
      v128.store_lane<u32>(target0 + below3, four, 3);
      target0 += 3;
    }
  }
}

function rounded(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION);
}

/** Four lines of pixels, two by two: r r g g b b of the first line, of the second, third, fourth; then the next two. */
function pair(line0: usize, line1: usize, line2: usize, line3: usize, length: usize, to: usize): void {
  for (let at: usize = 0; at < length; at += 12) {
    const four0 = neighbours(line0 + at);
    const four1 = neighbours(line1 + at);
    const four2 = neighbours(line2 + at);
    const four3 = neighbours(line3 + at);
    // Eight bytes are stored for six. The next store overwrites the other two.
    v128.store_lane<u64>(to, four0, 0, 0);
    v128.store_lane<u64>(to, four1, 0, 6);
    v128.store_lane<u64>(to, four2, 0, 12);
    v128.store_lane<u64>(to, four3, 0, 18);
    v128.store_lane<u64>(to, four0, 1, 24);
    v128.store_lane<u64>(to, four1, 1, 30);
    v128.store_lane<u64>(to, four2, 1, 36);
    v128.store_lane<u64>(to, four3, 1, 42);
    to += 48;
  }
}

function neighbours(from: usize): v128 {
  return v128.swizzle(v128.load(from), i8x16(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1));
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
    const start = load<i32>(starts + ((<usize>y) << 2));
    const from = max(start, first);
    const to = min(start + load<i32>(lengths + ((<usize>y) << 2)), first + count);
    if (from >= to) continue;
    const weight = weights + ((<usize>y * stride + <usize>(from - start)) << 2);
    const weightEnd = weight + ((<usize>(to - from)) << 2);
    let line = lines + <usize>(from - first) * pitch;
    const lineEnd = line + pitch;
    let sum = sums + ((<usize>y * pitch) << 2);
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
