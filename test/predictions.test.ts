import { describe, expect, it } from 'vitest';
import { calibratedPoint, compareRuns, coverageCurve, mcnemar, type Prediction } from '../src/predictions.ts';
import golden from './golden/intervals.json' with { type: 'json' };

const prediction = (n: number, score: number, right: boolean): Prediction => ({
  key: `${n}.jpg`,
  image: `photos/${n}.jpg`,
  truth: 'cat',
  predicted: right ? 'cat' : 'dog',
  first: right ? 'cat' : 'dog',
  score,
  margin: score / 2,
});

describe(`McNemar's exact test agrees with ${golden.source}`, () => {
  it.each(golden.mcnemar)('$a to $b', ({ a, b, p }) => {
    expect(mcnemar(a, b)).toBeCloseTo(p, 10);
  });
});

describe('two runs', () => {
  it('are compared on the images that are in both, by their keys', () => {
    const now = [true, true, false, false, true].map((right, n) => prediction(n, 0.9, right));
    const other = [false, true, false, true].map((right, n) => prediction(n, 0.5, right));
    expect(compareRuns(now, other)).toEqual({
      images: 4,
      bothRight: 1,
      onlyThisRight: 1,
      onlyOtherRight: 1,
      bothWrong: 1,
      p: 1,
    });
  });

  it('do not compare an image whose true labels differ', () => {
    expect(compareRuns([prediction(0, 1, true)], [{ ...prediction(0, 1, true), truth: 'dog' }]).images).toBe(0);
  });
});

describe('the coverage curve', () => {
  it('has one point for images with the same score', () => {
    const scores: [number, boolean][] = [
      [0.9, true],
      [0.8, false],
      [0.8, true],
      [0.5, false],
    ];
    expect(coverageCurve(scores.map(([score, right], n) => prediction(n, score, right)))).toEqual([
      { threshold: 0.9, coverage: 0.25, precision: 1 },
      { threshold: 0.8, coverage: 0.75, precision: 2 / 3 },
      { threshold: 0.5, coverage: 1, precision: 0.5 },
    ]);
  });

  it('has the point that calibrate chooses', async () => {
    const all = Array.from({ length: 40 }, (_, n) => prediction(n, 0.5 + n / 100, n >= 20));
    const point = await calibratedPoint(all, 0.95);
    expect(point?.threshold).toBeGreaterThan(0.65);
    expect(point?.coverage).toBeLessThan(0.6);
    expect(point?.precision).toBeGreaterThan(0.8);
    expect(await calibratedPoint(all.slice(0, 20), 0.95)).toBeNull();
  });
});
