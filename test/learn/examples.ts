import { l2Normalize, type UnitRows } from '../../src/tensor.ts';

/** Numbers that look random and are the same in every run (mulberry32), from -1 to 1. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

/** Unit rows around one centre for each class. @param counts pictures of each class */
export function madeUpPictures(
  counts: readonly number[],
  width: number,
  seed = 1,
  spread = 0.8,
): { pictures: UnitRows; classes: number[] } {
  const next = randomNumbers(seed);
  const centres = counts.map(() => Float32Array.from({ length: width }, next));
  const classes = counts.flatMap((count, c) => new Array<number>(count).fill(c));
  const data = new Float32Array(classes.length * width);
  for (const [n, c] of classes.entries())
    for (let d = 0; d < width; d++) data[n * width + d] = (centres[c]?.[d] ?? 0) + spread * next();
  return { pictures: l2Normalize({ rows: classes.length, columns: width, data }), classes };
}
