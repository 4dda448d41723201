import { row, type UnitRows } from '../tensor.ts';
import type { LabelRows } from './labels.ts';

/** More labels than these are not compared with each other. */
const MOST_COMPARED = 2000;
/** So many labels or pairs a warning names. */
const NAMED = 5;

/**
 * From this cosine on two labels are nearly one to the model. Of the 1,612 object names that Detic publishes with embeddings of
 * ViT-B/32, twelve pairs are above it, spellings and plurals of one word but for one ("fish", "other fish"); the nearest different
 * things are well below ("hot-air balloon" and "balloon" 0.95).
 */
const NEARLY_ONE = 0.98;

/**
 * What is odd about labels, in words: prompts that are cut off, and labels that the model hardly tells apart.
 *
 * @param names of the rows
 */
export function doubts({ rows, truncated }: LabelRows, names: readonly string[], context: number): string[] {
  const found = truncated
    .slice(0, NAMED)
    .map((n) => `the prompt of label "${names[n]}" is over ${context} tokens long: its end is cut off`);
  if (truncated.length > NAMED) found.push(`so are those of ${truncated.length - NAMED} more labels`);
  const pairs = rows.rows > MOST_COMPARED ? [] : nearPairs(rows, NEARLY_ONE);
  if (pairs.length > 0) {
    const named = pairs.slice(0, NAMED).map(([a, b]) => `"${names[a]}" and "${names[b]}"`);
    const more = pairs.length > NAMED ? [`${pairs.length - NAMED} more pairs`] : [];
    found.push(
      `labels that are nearly the same to the model share the score of one: ${named.concat(more).join(', ')}; keep one of each`,
    );
  }
  return found;
}

/**
 * The pairs of rows, earlier row first, whose cosine is at least `cosine`.
 *
 * Unit rows are near where `|a - b|² = 2 - 2 · cosine` is small. The sum is given up as soon as it is too great, which for
 * unlike rows is after a few of its terms.
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

function isWithin(a: Float32Array, b: Float32Array, limit: number): boolean {
  let sum = 0;
  for (let d = 0; d < a.length; d++) {
    sum += ((a[d] as number) - (b[d] as number)) ** 2;
    if (sum > limit) return false;
  }
  return true;
}
