import { describe, expect, it } from 'vitest';
import { wilson } from '../src/evaluate.ts';
import golden from './golden/intervals.json' with { type: 'json' };

// The same formula in doubles; the last digits depend on the order of the operations.
describe(`Wilson intervals agree with ${golden.source}`, () => {
  it.each(golden.wilson)('$right of $images', ({ right, images, low, high }) => {
    expect(wilson(right, images)?.low).toBeCloseTo(low, 10);
    expect(wilson(right, images)?.high).toBeCloseTo(high, 10);
  });

  it('are null without images', () => {
    expect(wilson(0, 0)).toBeNull();
  });
});
