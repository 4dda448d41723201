import { describe, expect, it } from 'vitest';
import { fromHalf, toHalf } from '../../src/embed/half.ts';

/** The value of 16 bits, by the definition of IEEE 754 binary16. */
function valueOfHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

describe('float16', () => {
  it('keeps every float16 unchanged', () => {
    for (let bits = 0; bits < 1 << 16; bits++) {
      const value = valueOfHalf(bits);
      if (!Number.isNaN(value) && toHalf(value) !== bits) expect([bits, toHalf(value)]).toEqual([bits, bits]);
    }
    expect(toHalf(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });

  it('is read like numpy 2.3 reads it', () => {
    const known = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x0001, 2 ** -24],
      [0x83ff, -1023 * 2 ** -24],
      [0x7bff, 65_504],
      [0xfc00, Number.NEGATIVE_INFINITY],
    ] as const;
    for (const [bits, value] of known) expect(fromHalf(bits)).toBe(value);
    expect(fromHalf(0x7e00)).toBeNaN();
  });

  it('rounds to the nearest, ties to even, and to infinity', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [valueOfHalf(bits), valueOfHalf(bits + 1)];
      const middle = (low + high) / 2; // exact in float32
      const expected = [bits % 2 === 0 ? bits : bits + 1, bits, bits + 1];
      const step = (high - low) / 8;
      const actual = [toHalf(middle), toHalf(middle - step), toHalf(middle + step)];
      if (String(actual) !== String(expected)) expect(actual).toEqual(expected);
    }
    expect([65_519, 65_520, 1e30, 2 ** -26].map(toHalf)).toEqual([0x7bff, 0x7c00, 0x7c00, 0]);
  });
});
