import { describe, expect, it } from 'vitest';
import { ModelError } from '../src/errors.ts';
import { cosines, l2Normalize, meanOfGroups, softmax, topK } from '../src/tensor.ts';

const matrix = (columns: number, ...values: number[]) => {
  return { rows: values.length / columns, columns, data: Float32Array.from(values) };
};

describe('l2Normalize', () => {
  it('makes rows of length 1', () => {
    expect([...l2Normalize(matrix(2, 3, 4, 0, -2)).data]).toEqual([0.6, 0.8, 0, -1].map(Math.fround));
  });

  it.each([
    [0, 0],
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
  ])('refuses a row without direction: %s, %s', (a, b) => {
    expect(() => l2Normalize(matrix(2, a, b))).toThrow(ModelError);
  });
});

describe('scores', () => {
  it('are cosines of unit rows', () => {
    const similarity = cosines(l2Normalize(matrix(2, 1, 0, 1, 1)), l2Normalize(matrix(2, 2, 0, 0, 5)));
    const expected = [1, 0, Math.SQRT1_2, Math.SQRT1_2];
    for (const [i, value] of expected.entries()) expect(similarity.data[i]).toBeCloseTo(value, 6);
  });

  it('are refused if the dimensions differ', () => {
    expect(() => cosines(l2Normalize(matrix(2, 1, 0)), l2Normalize(matrix(3, 1, 0, 0)))).toThrow(ModelError);
  });

  it('are averaged over the prompts of each label', () => {
    const rows = meanOfGroups(l2Normalize(matrix(2, 1, 0, 0, 1, -1, 0, -1, 0, 0, -2)), [2, 2, 1]);
    const expected = [Math.SQRT1_2, Math.SQRT1_2, -1, 0, 0, -1];
    for (const [i, value] of expected.entries()) expect(rows.data[i]).toBeCloseTo(value, 6);
  });

  it('turn into probabilities without overflow', () => {
    const [a, b, c] = softmax([1000, 1000 - Math.log(3), -1000]);
    expect(a).toBeCloseTo(0.75, 12);
    expect(b).toBeCloseTo(0.25, 12);
    expect(c).toBe(0);
  });

  it('are ranked greatest first; equal scores keep their order', () => {
    expect(topK([0.2, 0.5, 0.2, 0.1], 3).map(({ index }) => index)).toEqual([1, 0, 2]);
    expect(topK([0.2, 0.8], Number.POSITIVE_INFINITY)).toHaveLength(2);
  });
});
