import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { LARGEST_HALF, toHalves, widen } from '../../src/checkpoint/floats.ts';
import { quantizeMatrix } from '../../src/checkpoint/quantize.ts';
import { readCheckpoint } from '../../src/checkpoint/safetensors.ts';
import { fixture } from '../paths.ts';

/** A matrix `[outputs, inputs]` of about normal numbers, the same at every run (a linear congruential generator). */
function matrix(outputs: number, inputs: number, seed = 1): Float32Array {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: outputs * inputs }, () => uniform() + uniform() + uniform());
}

/** What vpmaddubsw adds up in 16 bits for two neighbouring inputs, at its worst over all unsigned activations. */
function worstPair(a: number, b: number): number {
  return Math.max(255 * Math.max(a + b, a, b, 0), -255 * Math.min(a + b, a, b, 0));
}

const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [3, 2],
  [70, 130],
  [65, 64],
];

describe('quantizeMatrix', () => {
  it.each(SHAPES)('moves no weight of a %i × %i matrix by more than half a step', (outputs, inputs) => {
    const weight = matrix(outputs, inputs);
    const { steps, scales } = quantizeMatrix(weight, [outputs, inputs]) ?? expect.fail();
    for (let o = 0; o < outputs; o++) {
      const scale = scales[o] as number;
      for (let i = 0; i < inputs; i++) {
        const error = Math.abs((steps[i * outputs + o] as number) * scale - (weight[o * inputs + i] as number));
        expect(error).toBeLessThanOrEqual(scale * (0.5 + 1e-6)); // the scale is rounded to a float
      }
    }
  });

  it('keeps every pair of products within 16 bits, for any signs', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [outputs, inputs] = [16, 96];
      // Few different magnitudes: sums that round up twice are common.
      const weight = matrix(outputs, inputs, seed).map((value) => (seed % 2 ? value : Math.round(value * 4) / 4));
      const { steps } = quantizeMatrix(weight, [outputs, inputs]) ?? expect.fail();
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i + 1 < inputs; i++) {
          const pair = [steps[i * outputs + o], steps[(i + 1) * outputs + o]] as [number, number];
          expect(worstPair(...pair)).toBeLessThanOrEqual(32_767);
        }
      }
    }
  });

  it('uses all eight bits if signs alternate, and keeps zeros', () => {
    const { steps, scales } = quantizeMatrix(Float32Array.of(1, -1, 0.5, 0, 0, 0), [2, 3]) ?? expect.fail();
    expect([...steps]).toEqual([127, 0, -127, 0, 64, 0]);
    expect([...scales]).toEqual([Math.fround(1 / 127), 0]);
  });

  it('reads a transposed matrix', () => {
    const weight = matrix(5, 7);
    const turned = Float32Array.from(weight, (_, n) => weight[(n % 5) * 7 + Math.floor(n / 5)] as number);
    expect(quantizeMatrix(turned, [5, 7], true)).toEqual(quantizeMatrix(weight, [5, 7]));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('refuses %d', (value) => {
    expect(quantizeMatrix(Float32Array.of(1, value, 2), [1, 3])).toBeUndefined();
  });
});

describe('half precision', () => {
  it('stays equal after conversion to float32 and back: all numbers of binary16', () => {
    const all = Uint16Array.from({ length: 2 ** 16 }, (_, n) => n).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    const wide = widen(new Uint8Array(all.buffer, 0, all.byteLength), 'F16');
    expect(toHalves(wide)).toEqual(all);
  });

  it('rounds to the nearest, ties to even (IEEE 754)', () => {
    const values = [
      1,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      1 + 2 ** -11 + 2 ** -20,
      2 ** -25,
      3 * 2 ** -25,
      -0.1,
      LARGEST_HALF,
    ];
    expect([...toHalves(Float32Array.from(values))]).toEqual([0x3c00, 0x3c00, 0x3c02, 0x3c01, 0, 2, 0xae66, 0x7bff]);
  });

  it('converts the tensors of checkpoints to the values that Python reads', async () => {
    // The first elements of the fixtures, whose float32 values are the stored bits with zeros behind them for BF16.
    const checkpoint = await readCheckpoint(fixture('tiny-2d-mean-bf16/model.safetensors'));
    const bytes = await readFile(checkpoint.file);
    const entry = [...checkpoint.tensors.values()].find(({ dtype }) => dtype === 'BF16') ?? expect.fail();
    const stored = bytes.subarray(entry.offset, entry.offset + entry.bytes);
    const expected = Array.from({ length: entry.bytes / 2 }, (_, n) =>
      Buffer.from([0, 0, stored[2 * n] as number, stored[2 * n + 1] as number]).readFloatLE(),
    );
    expect([...widen(stored, 'BF16')]).toEqual(expected);
  });
});
