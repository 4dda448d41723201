import { isWithin, nearPairs } from '../embed/doubts.ts';
import { l2Normalize, row, type UnitRows } from '../tensor.ts';

/** Some pictures, each of one class. */
export interface Examples {
  /** [N, D] */
  readonly pictures: UnitRows;
  /** [N] */
  readonly classes: readonly number[];
}

/**
 * Two pictures of a class count as shots of one moment, copies or re-encodings if their distance (1 − cosine) is less than this share of
 * the mean distance between all pictures. Of different photographs of a class, 2 to 4 in 100 have such a neighbour. JPEG at quality 60
 * changes a picture by less than 0.006 (docs/learning.md).
 */
const BURST = 0.05;
/** The largest class that is searched, because the time grows with the square. */
const MOST_SEARCHED = 2_000;

/**
 * Replaces each burst of near-identical pictures by their mean. Otherwise leave-one-out would find the left-out picture among the
 * others, and its accuracy would be too high.
 */
export function groupBursts({ pictures, classes }: Examples): Examples {
  const group = classes.map((_, n) => n);
  const first = (n: number): number => (group[n] === n ? n : first(group[n] as number));
  const cosine = 1 - BURST * meanDistance(pictures);
  for (const members of membersOf(classes).values()) {
    if (members.length > MOST_SEARCHED) continue;
    for (const [a, b] of nearPairs(select(pictures, members), cosine)) {
      const [one, other] = [first(members[a] as number), first(members[b] as number)];
      group[Math.max(one, other)] = Math.min(one, other);
    }
  }
  const heads = group.flatMap((_, n) => (first(n) === n ? [n] : []));
  if (heads.length === classes.length) return { pictures, classes };
  const place = new Map(heads.map((head, at) => [head, at]));
  const sums = new Float32Array(heads.length * pictures.columns);
  for (const n of classes.keys()) {
    const at = (place.get(first(n)) as number) * pictures.columns;
    for (const [d, value] of row(pictures, n).entries()) sums[at + d] = (sums[at + d] as number) + value;
  }
  return {
    pictures: l2Normalize({ rows: heads.length, columns: pictures.columns, data: sums }),
    classes: heads.map((head) => classes[head] as number),
  };
}

/** The mean of 1 − cosine over all pairs: 1 − |mean|², because rows have length 1. */
function meanDistance(pictures: UnitRows): number {
  const mean = new Float64Array(pictures.columns);
  for (let n = 0; n < pictures.rows; n++)
    for (let d = 0; d < mean.length; d++)
      mean[d] = (mean[d] as number) + (pictures.data[n * pictures.columns + d] as number) / pictures.rows;
  return 1 - mean.reduce((sum, value) => sum + value ** 2, 0);
}

/** The largest difference of two embeddings of the same picture, from rounding. */
const SAME = 1e-4;

/** Pairs of identical pictures in two classes. */
export function contradictions({ pictures, classes }: Examples): (readonly [number, number])[] {
  // Sorted along one direction, equal pictures are neighbours.
  const along = classes.map((_, n) => row(pictures, n).reduce((sum, value, d) => sum + value * Math.cos(d), 0));
  const order = [...classes.keys()].sort((a, b) => (along[a] as number) - (along[b] as number));
  const reach = SAME * Math.sqrt(pictures.columns);
  const found: (readonly [number, number])[] = [];
  for (const [at, a] of order.entries()) {
    for (let next = at + 1; next < order.length; next++) {
      const b = order[next] as number;
      if ((along[b] as number) - (along[a] as number) > reach) break;
      if (classes[a] !== classes[b] && isWithin(row(pictures, a), row(pictures, b), SAME ** 2))
        found.push(a < b ? [a, b] : [b, a]);
    }
  }
  return found.sort(([a], [b]) => a - b);
}

/** Some of the pictures. */
export function select(pictures: UnitRows, members: readonly number[]): UnitRows {
  const data = new Float32Array(members.length * pictures.columns);
  for (const [at, n] of members.entries()) data.set(row(pictures, n), at * pictures.columns);
  return { ...pictures, rows: members.length, data };
}

function membersOf(classes: readonly number[]): Map<number, number[]> {
  const members = new Map<number, number[]>();
  for (const [n, c] of classes.entries()) {
    const known = members.get(c);
    if (known === undefined) members.set(c, [n]);
    else known.push(n);
  }
  return members;
}
