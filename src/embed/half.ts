const bits = new DataView(new ArrayBuffer(4));

/**
 * The float16 that is nearest to a number, as its 16 bits (IEEE 754 binary16, ties to even).
 *
 * @param value a float32
 */
export function toHalf(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const exponent = (word >>> 23) & 0xff;
  const fraction = word & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200); // infinite, or not a number
  const shifted = exponent - 127 + 15;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted <= 0) {
    // Subnormal: the implicit 1 becomes a digit.
    return shifted < -10 ? sign : sign | roundedShift(fraction | 0x800000, 14 - shifted);
  }
  return sign + (shifted << 10) + roundedShift(fraction, 13); // a carry goes into the exponent
}

/** Divides by 2^n and rounds to the nearest, ties to even. */
function roundedShift(value: number, n: number): number {
  const kept = value >>> n;
  const rest = value & ((1 << n) - 1);
  const tie = 1 << (n - 1);
  return rest > tie || (rest === tie && (kept & 1) === 1) ? kept + 1 : kept;
}

/** Rounds a row of an embedding. */
export function toHalves(row: Float32Array): Uint16Array {
  return Uint16Array.from(row, toHalf);
}

/** @param half the 16 bits of a float16 */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
