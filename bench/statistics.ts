/** What one side took, in milliseconds, a figure a turn. */
export type Timings = readonly number[];

/** Medians of two sides, and how many times the first is the second. */
export interface Ratio {
  readonly ratio: number;
  /** The lowest and the highest ratio of neighbouring turns. */
  readonly spread: readonly [number, number];
  readonly medians: readonly [number, number];
}

export function median(values: Timings): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** a ÷ b */
export function ratioOf(a: Timings, b: Timings): Ratio {
  const each = a.map((value, n) => value / (b[n] ?? Number.NaN));
  const medians = [median(a), median(b)] as const;
  return { ratio: medians[0] / medians[1], spread: [Math.min(...each), Math.max(...each)], medians };
}

/**
 * Takes the sides in turn, so that what else the machine does meets all of them.
 *
 * @param sides each does its work once and tells a figure, as a rule milliseconds
 * @param turns how often
 * @param warmUps turns before, which do not count
 */
export async function inTurn<Name extends string>(
  sides: Readonly<Record<Name, () => Promise<number>>>,
  turns: number,
  warmUps = 1,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let turn = -warmUps; turn < turns; turn++) {
    for (const name of names) {
      const figure = await sides[name]();
      if (turn >= 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Milliseconds that some work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
