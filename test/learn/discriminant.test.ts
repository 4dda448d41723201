import { describe, expect, it } from 'vitest';
import { select } from '../../src/learn/bursts.ts';
import { discriminant, dot, leaveOneOut, priorOf } from '../../src/learn/discriminant.ts';
import { statisticsOf } from '../../src/learn/statistics.ts';
import { row, type UnitRows, unitRows } from '../../src/tensor.ts';
import golden from '../golden/discriminant.json' with { type: 'json' };
import { madeUpPictures } from './examples.ts';

const rowsOf = (data: readonly number[]): UnitRows => {
  const rows = unitRows({ rows: data.length / golden.width, columns: golden.width, data: Float32Array.from(data) });
  if (rows === undefined) throw new Error('the golden rows are not unit length');
  return rows;
};

describe(`the discriminant equals ${golden.source}`, () => {
  const pictures = rowsOf(golden.pictures);
  const probes = rowsOf(golden.probes);
  const classCount = Math.max(...golden.classes) + 1;
  const statistics = statisticsOf(pictures, golden.classes, classCount);

  // scikit-learn's covariance is (1 - γ)·S/N + γ·trace(S)/(N·D)·I. Doubles on both sides; the inputs are float32.
  it.each(golden.cases)('γ = $shrinkage, within 1e-4 of the range of scores', ({ shrinkage, scores }) => {
    let trace = 0;
    for (let d = 0; d < golden.width; d++) trace += statistics.scatter[d * golden.width + d] as number;
    const images = golden.classes.length;
    const prior = {
      ridge: ((shrinkage / (1 - shrinkage)) * trace) / golden.width,
      freedom: images / (1 - shrinkage) - (images - classCount),
      shrinkage: 0,
    };
    const { weights, biases } = discriminant(statistics, prior);
    const range = Math.max(...scores.flat()) - Math.min(...scores.flat());
    for (const [n, expected] of scores.entries()) {
      for (const [c, score] of expected.entries()) {
        const plane = weights.subarray(c * golden.width, (c + 1) * golden.width);
        const ours = dot(plane, row(probes, n)) + (biases[c] as number);
        expect(Math.abs(ours - score) / range).toBeLessThan(1e-4);
      }
    }
  });
});

describe('leave-one-out', () => {
  it.each([
    { counts: [9, 2, 3, 7, 4, 2, 10], width: 16 },
    { counts: [2, 2, 3], width: 48 },
  ])('equals classifiers that were really learnt without the picture: $counts at width $width', ({ counts, width }) => {
    const { pictures, classes } = madeUpPictures(counts, width);
    const statistics = statisticsOf(pictures, classes, counts.length);
    const prior = priorOf(statistics);
    const scores = leaveOneOut(statistics, prior, pictures, classes);
    for (const n of classes.keys()) {
      const others = [...classes.keys()].filter((other) => other !== n);
      const without = statisticsOf(
        select(pictures, others),
        others.map((other) => classes[other] as number),
        counts.length,
      );
      const { weights, biases } = discriminant(without, prior);
      for (const c of counts.keys()) {
        const refit = dot(weights.subarray(c * width, (c + 1) * width), row(pictures, n)) + (biases[c] as number);
        expect(Math.abs((scores[n * counts.length + c] as number) - refit)).toBeLessThan(1e-6 * (1 + Math.abs(refit)));
      }
    }
  });
});

describe('a class without pictures', () => {
  it('gets the score of the mean of all classes', () => {
    const { pictures, classes } = madeUpPictures([3, 4], 8);
    const statistics = statisticsOf(pictures, classes, 3);
    const { weights, biases, unseen } = discriminant(statistics, priorOf(statistics));
    expect(biases[2]).toBeCloseTo(unseen.bias, 12);
    expect(weights[2 * 8]).toBeCloseTo(unseen.weights[0] as number, 12);
  });
});
