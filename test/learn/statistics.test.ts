import { describe, expect, it } from 'vitest';
import { select } from '../../src/learn/bursts.ts';
import { addStatistics, statisticsOf, withClasses } from '../../src/learn/statistics.ts';
import { madeUpPictures } from './examples.ts';

describe('the statistics of pictures', () => {
  it('do not change if the pictures come in two parts', () => {
    const { pictures, classes } = madeUpPictures([70, 3, 5], 6);
    const part = (members: number[]) =>
      statisticsOf(
        select(pictures, members),
        members.map((n) => classes[n] as number),
        3,
      );
    const even = [...classes.keys()].filter((n) => n % 2 === 0 && classes[n] !== 1);
    const odd = [...classes.keys()].filter((n) => !even.includes(n));
    const [all, added] = [statisticsOf(pictures, classes, 3), addStatistics(part(even), part(odd))];
    expect(added.counts).toEqual([70, 3, 5]);
    for (const name of ['means', 'scatter'] as const)
      for (const [at, value] of all[name].entries()) expect(added[name][at]).toBeCloseTo(value, 10);
  });

  it('keep their order when a class is removed and another is added', () => {
    const { pictures, classes } = madeUpPictures([2, 3, 4], 5);
    const all = statisticsOf(pictures, classes, 3);
    const { counts, means } = withClasses(all, [2, -1, 0]);
    expect(counts).toEqual([4, 0, 2]);
    expect([...means]).toEqual([...all.means.subarray(10), ...new Float64Array(5), ...all.means.subarray(0, 5)]);
  });
});
