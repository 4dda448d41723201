import { readFile } from 'node:fs/promises';
import { DEFAULT_DECODE, type Resize } from '../../src/image/decode-options.ts';
import type { Dtype } from '../../src/model/choices.ts';
import { TWO_LABELS } from '../labels.ts';
import { decoding, describing, preprocessing } from '../library.ts';
import { largePhotos, repeated } from '../photos.ts';
import { Side } from '../processes.ts';
import { type Row, ratioRow } from '../report.ts';
import type { Measurement } from '../setting.ts';
import type { BareSetup } from '../sides/bare.ts';
import type { OursSetup } from '../sides/ours.ts';
import { inTurn, ratioOf, timed } from '../statistics.ts';

const WAYS: readonly (readonly [Dtype, Resize])[] = [
  ['fp32', 'exact'],
  ['fp32', 'fast'],
  ['int8', 'exact'],
  ['int8', 'fast'],
];

/** Photographs of 12 megapixels: the wall time of an image next to its parts, each measured alone on one thread and divided by the cores. */
export const largeImages: Measurement = async ({ model, photos, cache, env, threads, quick }) => {
  const count = quick ? 4 : 48;
  const large = await largePhotos(photos, cache);
  const { decode } = await decoding();
  const { fitImage, normalize } = await preprocessing();
  const { preprocessing: how } = await (await describing()).describeModel(model);
  const bytes = await Promise.all(large.map((path) => readFile(path)));
  const rows: Row[] = [];
  for (const [dtype, resize] of WAYS) {
    const options = { threads, batch: 8, isolate: true, dtype };
    const tasks = { images: { photos: repeated(large, count), labels: TWO_LABELS } };
    const ours = await Side.open('ours.ts', { folder: model, options, tasks, resize } satisfies OursSetup, env);
    const setup: BareSetup = { folder: model, images: 8, batch: 8, threads: 1, dtype };
    const bare = await Side.open('bare.ts', setup, env);
    const pixels = await decode(bytes[0] ?? Buffer.alloc(0), 'photo', { ...DEFAULT_DECODE, resize }, how.resizeTo);
    const took = await inTurn(
      {
        ours: async () => (await ours.work('images')) / count,
        decode: async () => {
          const one = (content: Buffer) => decode(content, 'photo', { ...DEFAULT_DECODE, resize }, how.resizeTo);
          let all = 0;
          for (const content of bytes) all += await timed(() => one(content));
          return all / bytes.length;
        },
        resample: () => timed(async () => normalize(fitImage(pixels, how), how)),
        run: async () => (await bare.work('images')) / 8,
      },
      quick ? 2 : 7,
    );
    await Promise.all([ours.close(), bare.close()]);
    const parts = took.decode.map(
      (_, n) => ((took.decode[n] ?? 0) + (took.resample[n] ?? 0) + (took.run[n] ?? 0)) / threads,
    );
    rows.push(
      ratioRow(
        `12 megapixels, ${dtype}, ${resize}: wall per image ÷ (decode + resample + run) / cores`,
        { atMost: 1.15 },
        ratioOf(took.ours, parts),
        `${count} images`,
      ),
    );
  }
  return rows;
};
