import { row, type UnitRows } from '../tensor.ts';

/** The statistics of the learned pictures: enough for a discriminant, and for adding more pictures later. */
export interface ClassStatistics {
  /** D */
  readonly width: number;
  /** [C] pictures of each class; 0 is possible. */
  readonly counts: readonly number[];
  /** [C, D] mean of each class; 0 for a class without pictures. */
  readonly means: Float64Array;
  /** [D, D] scatter within the classes, `Σ (x − mean)(x − mean)ᵀ` over all pictures; the lower triangle. */
  readonly scatter: Float64Array;
}

/** Pictures of one pass over the scatter: their block stays in the processor's cache. */
const BLOCK = 64;

/**
 * @param pictures [N, D]
 * @param classes [N] the class of each picture, from 0 to `classCount` − 1
 */
export function statisticsOf(pictures: UnitRows, classes: readonly number[], classCount: number): ClassStatistics {
  const width = pictures.columns;
  const counts = new Array<number>(classCount).fill(0);
  const means = new Float64Array(classCount * width);
  for (const [n, c] of classes.entries()) {
    counts[c] = (counts[c] as number) + 1;
    const picture = row(pictures, n);
    for (let d = 0; d < width; d++) means[c * width + d] = (means[c * width + d] as number) + (picture[d] as number);
  }
  for (let c = 0; c < classCount; c++)
    for (let d = 0; d < width; d++) {
      const count = counts[c] as number;
      if (count > 0) means[c * width + d] = (means[c * width + d] as number) / count;
    }
  const scatter = new Float64Array(width * width);
  const block = new Float64Array(width * BLOCK); // [D, BLOCK], so that the inner loop runs along memory
  for (let first = 0; first < pictures.rows; first += BLOCK) {
    block.fill(0);
    for (let n = first; n < Math.min(first + BLOCK, pictures.rows); n++) {
      const [picture, c] = [row(pictures, n), classes[n] as number];
      for (let d = 0; d < width; d++)
        block[d * BLOCK + n - first] = (picture[d] as number) - (means[c * width + d] as number);
    }
    addProducts(scatter, block, width);
  }
  for (let i = 0; i < width; i++) scatter.fill(0, i * width + i + 1, (i + 1) * width);
  return { width, counts, means, scatter };
}

/** Rows and columns of one tile of products: their sums stay in registers. */
const [TILE_ROWS, TILE_COLUMNS] = [2, 4];

/** `scatter += block · blockᵀ`; tiles on the diagonal reach above it. */
function addProducts(scatter: Float64Array, block: Float64Array, width: number): void {
  const whole = width - (width % TILE_COLUMNS);
  for (let i = 0; i < whole; i += TILE_ROWS)
    for (let j = 0; j <= i + 1; j += TILE_COLUMNS) addTile(scatter, block, width, i, j);
  for (let i = whole; i < width; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let n = 0; n < BLOCK; n++) sum += (block[i * BLOCK + n] as number) * (block[j * BLOCK + n] as number);
      scatter[i * width + j] = (scatter[i * width + j] as number) + sum;
    }
}

function addTile(scatter: Float64Array, block: Float64Array, width: number, i: number, j: number): void {
  const a = i * BLOCK;
  const b = j * BLOCK;
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let n = 0; n < BLOCK; n++) {
    const a0 = block[a + n] as number;
    const a1 = block[a + BLOCK + n] as number;
    const b0 = block[b + n] as number;
    const b1 = block[b + BLOCK + n] as number;
    const b2 = block[b + 2 * BLOCK + n] as number;
    const b3 = block[b + 3 * BLOCK + n] as number;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
  }
  const first = i * width + j;
  add(scatter, first, s00, s01, s02, s03);
  add(scatter, first + width, s10, s11, s12, s13);
}

function add(to: Float64Array, at: number, a: number, b: number, c: number, d: number): void {
  to[at] = (to[at] as number) + a;
  to[at + 1] = (to[at + 1] as number) + b;
  to[at + 2] = (to[at + 2] as number) + c;
  to[at + 3] = (to[at + 3] as number) + d;
}

/**
 * The statistics of both sets of pictures together, as if they had been learned at once (Chan, Golub and LeVeque 1979).
 *
 * @param more has the classes of `before`, in the same order
 */
export function addStatistics(before: ClassStatistics, more: ClassStatistics): ClassStatistics {
  const { width } = before;
  const means = before.means.slice();
  const scatter = before.scatter.map((value, at) => value + (more.scatter[at] as number));
  const counts = before.counts.map((count, c) => count + (more.counts[c] as number));
  for (const [c, total] of counts.entries()) {
    const [a, b] = [before.counts[c] as number, more.counts[c] as number];
    if (b === 0) continue;
    const apart = Float64Array.from(
      { length: width },
      (_, d) => (more.means[c * width + d] as number) - (before.means[c * width + d] as number),
    );
    for (let d = 0; d < width; d++)
      means[c * width + d] = (means[c * width + d] as number) + ((apart[d] as number) * b) / total;
    if (a === 0) continue;
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++)
        scatter[i * width + j] =
          (scatter[i * width + j] as number) + ((apart[i] as number) * (apart[j] as number) * a * b) / total;
  }
  return { width, counts, means, scatter };
}

/**
 * The statistics with other classes: each is one of the old classes, or -1 for a class without pictures. The scatter stays,
 * because the spread of a class that is removed is still the best guess of the spread of the others.
 */
export function withClasses(
  { width, counts, means, scatter }: ClassStatistics,
  from: readonly number[],
): ClassStatistics {
  const chosen = new Float64Array(from.length * width);
  for (const [c, old] of from.entries())
    if (old >= 0) chosen.set(means.subarray(old * width, (old + 1) * width), c * width);
  return { width, counts: from.map((old) => counts[old] ?? 0), means: chosen, scatter };
}
