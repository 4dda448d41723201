import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/image/budget.ts';

/** Spends these costs at once. Returns the costs that ran at each beginning, in order. */
async function spending(limit: number, costs: readonly number[]): Promise<number[][]> {
  const budget = new Budget(limit);
  const running: number[] = [];
  const seen: number[][] = [];
  const work = (cost: number) => async () => {
    running.push(cost);
    seen.push([...running]);
    await turn();
    running.splice(running.indexOf(cost), 1);
  };
  await Promise.all(costs.map((cost) => budget.spend(cost, work(cost))));
  return seen;
}

describe('a budget', () => {
  it('runs work side by side while it fits', async () => {
    expect(await spending(50, [12, 12, 12, 12, 12])).toEqual([
      [12],
      [12, 12],
      [12, 12, 12],
      [12, 12, 12, 12],
      [12, 12, 12, 12],
    ]);
  });

  it('runs what costs more than the limit alone', async () => {
    expect(await spending(50, [60, 70, 10])).toEqual([[60], [70], [10]]);
  });

  it('keeps the order, so large work is not passed for ever', async () => {
    expect(await spending(50, [30, 60, 5])).toEqual([[30], [60], [5]]);
  });

  it('gives back what failed work has spent', async () => {
    const budget = new Budget(1);
    await expect(budget.spend(1, () => Promise.reject(new Error('bad')))).rejects.toThrow('bad');
    expect(await budget.spend(1, async () => 'next')).toBe('next');
  });
});
