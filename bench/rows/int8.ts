import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clip } from '../../src/clip.ts';
import type { ImageSource } from '../../src/image/source.ts';
import { library } from '../library.ts';
import { absentRow } from '../report.ts';
import type { Measurement } from '../setting.ts';

/** Ten thousand labelled pictures, WebP files end to end, and where each begins. */
const PICTURES = new URL('../../../shared/training/cifar10-test', import.meta.url).pathname;

/** What int8 changes: directions of embeddings, first labels, and nothing by the batch. */
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
  const same = 'int8: same first label as fp32, CIFAR-10 test with the starter, %';
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
    existsSync(`${PICTURES}.bin`)
      ? { what: same, asked: { atLeast: 99.5 }, ...(await firstLabels(options, quick ? 500 : undefined)) }
      : absentRow(same, { atLeast: 99.5 }, `${PICTURES}.bin is not there`),
  ];
};

async function firstLabels(options: object, count: number | undefined) {
  const { loadModel } = await library();
  const { offsets, classes, labels } = JSON.parse(await readFile(`${PICTURES}.json`, 'utf8'));
  const file = await readFile(`${PICTURES}.bin`);
  const pictures = (labels as number[])
    .slice(0, count)
    .map((_, n) => ({ name: `${n}`, bytes: file.subarray(offsets[n], offsets[n + 1]) }));
  const names = (classes as string[][]).map(([name = '']) => name);
  const firsts = async (dtype: 'fp32' | 'int8') => {
    const clip = await loadModel('starter', { ...options, dtype });
    const rows = await clip.encodeTexts(names.map((name) => `a photo of a ${name}`));
    const labelRows = names.map((_, l) => rows.data.subarray(l * rows.columns, (l + 1) * rows.columns));
    return (await embeddings(clip, pictures)).map((row) => {
      const scores = labelRows.map((label) => dot(row, label));
      return scores.indexOf(Math.max(...scores));
    });
  };
  const [whole, stored] = [await firsts('fp32'), await firsts('int8')];
  const same = whole.filter((first, n) => first === stored[n]).length;
  const right = (all: readonly number[]) => all.filter((first, n) => first === labels[n]).length;
  return {
    reached: (100 * same) / whole.length,
    detail: `${same} of ${whole.length}; right: fp32 ${right(whole)}, int8 ${right(stored)}`,
  };
}

async function embeddings(clip: Clip, images: readonly ImageSource[]): Promise<Float32Array[]> {
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
