import { row, type UnitRows } from '../tensor.ts';
import type { LabelRows } from './labels.ts';

/** More labels than these are not compared with each other. */
const MOST_COMPARED = 2000;
/** The most labels or pairs that a warning names. */
const NAMED = 5;

/**
 * From this cosine on, the model cannot tell two labels apart: with a logit scale of 100, their scores for an image differ by a third
 * if a tenth of its embedding lies along their difference. Different labels are well below, even two spellings of one word: of 1,612
 * names in ViT-B/32, the nearest are "lightbulb" and "light bulb" with 0.9945.
 */
const ONE = 0.9995;

/**
 * Warnings about truncated prompts, and about labels that the model can hardly tell apart.
 *
 * @param names the names of the rows
 */
export function doubts({ rows, truncated }: LabelRows, names: readonly string[], context: number): string[] {
  const found = truncated
    .slice(0, NAMED)
    .map((n) => `the prompt of label "${names[n]}" has more than ${context} tokens and is truncated`);
  if (truncated.length > NAMED) found.push(`the prompts of ${truncated.length - NAMED} more labels are truncated too`);
  const pairs = rows.rows > MOST_COMPARED ? [] : likePairs(rows, names);
  if (pairs.length > 0) {
    const named = pairs.slice(0, NAMED).map(([a, b]) => `"${names[a]}" and "${names[b]}"`);
    const more = pairs.length > NAMED ? [`${pairs.length - NAMED} more pairs`] : [];
    found.push(
      `these labels are nearly identical, so they split one score: ${named.concat(more).join(', ')}; keep one of each pair and make the other its alias in a labels file`,
    );
  }
  return found;
}

/** The pairs of labels that the model cannot tell apart, or that differ only in spelling. @param rows [L, D] */
export function likePairs(rows: UnitRows, names: readonly string[]): (readonly [number, number])[] {
  const pairs = new Map(nearPairs(rows, ONE).map((pair) => [pair.join(), pair] as const));
  const first = new Map<string, number>();
  for (const [n, name] of names.entries()) {
    const earlier = first.get(bare(name));
    if (earlier === undefined) first.set(bare(name), n);
    else pairs.set([earlier, n].join(), [earlier, n]);
  }
  return [...pairs.values()];
}

/** A label without case, article, plural s, and spaces or hyphens between letters. */
function bare(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(an?|the)\s+/u, '')
    .replace(/(?<=\p{L})[\s\p{Pd}_]+(?=\p{L})/gu, '')
    .replace(/(?<=\p{L}[^s])s$/u, '');
}

/**
 * The pairs of rows, earlier row first, whose cosine is at least `cosine`.
 *
 * Unit rows are near if `|a - b|² = 2 - 2 · cosine` is small. The sum stops as soon as it is too large: for different rows, after a
 * few terms.
 *
 * @param rows [L, D]
 */
export function nearPairs(rows: UnitRows, cosine: number): (readonly [number, number])[] {
  const limit = 2 - 2 * cosine;
  const pairs: [number, number][] = [];
  for (let a = 0; a < rows.rows; a++) {
    for (let b = a + 1; b < rows.rows; b++) {
      if (isWithin(row(rows, a), row(rows, b), limit)) pairs.push([a, b]);
    }
  }
  return pairs;
}

/** Whether `|a − b|²` is at most `limit`. */
export function isWithin(a: Float32Array, b: Float32Array, limit: number): boolean {
  let sum = 0;
  for (let d = 0; d < a.length; d++) {
    sum += ((a[d] as number) - (b[d] as number)) ** 2;
    if (sum > limit) return false;
  }
  return true;
}
