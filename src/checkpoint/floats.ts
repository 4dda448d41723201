/** Bytes of a tensor of floats as 32-bit ones. @param dtype F32, F16 or BF16; the bytes are little-endian */
export function widen(bytes: Uint8Array, dtype: string): Float32Array {
  const whole = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes); // copied, so that it is aligned
  if (dtype === 'F32') return new Float32Array(whole.buffer, whole.byteOffset, whole.length / 4);
  const halves = new Uint16Array(whole.buffer, whole.byteOffset, whole.length / 2);
  const wide = new Float32Array(halves.length);
  const bits = new Uint32Array(wide.buffer);
  if (dtype === 'BF16') {
    for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  } else {
    for (let i = 0; i < halves.length; i++) wide[i] = halfToNumber(halves[i] as number);
  }
  return wide;
}

/** IEEE 754 binary16 → number: 1 sign, 5 exponent and 10 fraction bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The greatest number of IEEE 754 binary16. */
export const LARGEST_HALF = 65504;

/**
 * Rounds floats to the nearest of IEEE 754 binary16, ties to the even one.
 *
 * @param values all within ±{@link LARGEST_HALF}
 */
export function toHalves(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const single = bits[i] as number;
    const magnitude = single & 0x7fffffff;
    let half: number;
    if (magnitude >= 0x38800000) {
      // From 2⁻¹⁴: the exponent's bias goes from 127 to 15, 13 bits of fraction are rounded away.
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    } else {
      // Smaller halves are whole multiples of 2⁻²⁴.
      half = roundToEven(Math.abs(values[i] as number) * 2 ** 24);
    }
    halves[i] = half | ((single >>> 16) & 0x8000);
  }
  return halves;
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
