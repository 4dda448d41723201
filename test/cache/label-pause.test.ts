import { expect, it } from 'vitest';
import type { EmbeddingCache } from '../../src/cache/cache.ts';
import { encodeLabelsOnce } from '../../src/cache/label-cache.ts';
import { rowOf, unitRows } from '../../src/tensor.ts';

const LABELS = 300_000;

it('labels are looked up with pauses, in which signals are heard', async () => {
  const embedding = unitRows({ rows: 1, columns: 2, data: Float32Array.of(1, 0) });
  if (embedding === undefined) throw new Error('not of unit length');
  let turns = 0;
  const store = { get: () => ({ embedding: rowOf(embedding, 0), notes: [0, 0] }), close: async () => {} };
  const cache = { open: async () => store, settle: () => {} } as unknown as EmbeddingCache;
  const timer = setInterval(() => turns++, 1);
  const prompts = Array.from({ length: LABELS }, (_, n) => [`a photo of number ${n}`]);
  const { rows } = await encodeLabelsOnce(() => Promise.reject(new Error('all are known')), prompts, cache);
  clearInterval(timer);
  expect(rows.rows).toBe(LABELS);
  expect(turns).toBeGreaterThan(1);
});
