/** The two-sided normal quantile for 95 %. */
const Z = 1.959963984540054;

/** Where a rate lies with 95 % confidence, both from 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval for `right` of `all` (Wilson 1927), which also holds near 0 and 1; null if there is nothing. */
export function wilson(right: number, all: number): Interval | null {
  if (all === 0) return null;
  const share = right / all;
  const spread = Z ** 2 / all;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (Z / (1 + spread)) * Math.sqrt((share * (1 - share)) / all + spread / (4 * all));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
