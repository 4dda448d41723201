import type { Clip } from '../../src/clip.ts';
import { library } from '../library.ts';
import type { Measurement } from '../setting.ts';

/** What int8 changes: directions of embeddings, and nothing by the batch. The starter has no int8 form. */
export const int8: Measurement = async ({ model, photos, env, threads, quick }) => {
  const { loadModel } = await library();
  const options = { env, threads, provider: 'cpu' } as const;
  const some = quick ? photos.slice(0, 16) : photos;
  const whole = await embeddings(await loadModel(model, options), some);
  const [batched, alone] = [
    await embeddings(await loadModel(model, { ...options, dtype: 'int8', batch: 8 }), some),
    await embeddings(await loadModel(model, { ...options, dtype: 'int8', batch: 1 }), some.slice(0, 16)),
  ];
  const cosines = whole.map((row, n) => dot(row, batched[n]));
  const gaps = alone.map((row, n) =>
    Math.max(...row.map((value, i) => Math.abs(value - (batched[n]?.[i] ?? Number.NaN)))),
  );
  const lowest = Math.min(...cosines);
  const largest = Math.max(...gaps);
  return [
    {
      what: `int8: lowest cosine to fp32, ${some.length} photographs`,
      asked: { atLeast: 0.999 },
      reached: lowest,
      detail: lowest.toFixed(6),
    },
    {
      what: 'int8: largest difference in a unit embedding between batch 8 and batch 1',
      asked: { atMost: 1e-4 },
      reached: largest,
      detail: largest.toExponential(1),
    },
  ];
};

async function embeddings(clip: Clip, images: readonly string[]): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for await (const result of clip.encodeImages(images)) {
    if (!result.ok) throw result.error;
    rows.push(Float32Array.from(result.embedding.data));
  }
  await clip.release();
  return rows;
}

function dot(a: Float32Array, b: Float32Array | undefined): number {
  return a.reduce((sum, value, n) => sum + value * (b?.[n] ?? Number.NaN), 0);
}
