/** The two-sided normal quantile for 95 %. */
const Z = 1.959963984540054;

/** The bounds of a rate with 95 % confidence, each from 0 to 1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Wilson's score interval for `right` of `all` (Wilson 1927). It is also valid near 0 and 1. Null if `all` is 0. */
export function wilson(right: number, all: number): Interval | null {
  if (all === 0) return null;
  const share = right / all;
  const spread = Z ** 2 / all;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (Z / (1 + spread)) * Math.sqrt((share * (1 - share)) / all + spread / (4 * all));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
