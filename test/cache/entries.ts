import { createHash } from 'node:crypto';
import type { Entry } from '../../src/cache/segment.ts';
import { l2Normalize, type UnitRows } from '../../src/tensor.ts';

export const keyOf = (n: number) => createHash('sha256').update(`entry ${n}`).digest();

/** A different direction for each n. */
export function embeddingOf(n: number, columns: number): UnitRows {
  const data = Float32Array.from({ length: columns }, (_, d) => Math.sin(1 + n * columns + d));
  return l2Normalize({ rows: 1, columns, data });
}

export const entryOf = (n: number, columns: number): Entry => ({
  key: keyOf(n),
  embedding: embeddingOf(n, columns),
  notes: [n, 7],
});
