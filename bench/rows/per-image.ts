import { repeated } from '../photos.ts';
import { Side } from '../processes.ts';
import { absentRow, type Row, ratioRow } from '../report.ts';
import type { Measurement, Setting } from '../setting.ts';
import type { BareSetup } from '../sides/bare.ts';
import type { OursSetup } from '../sides/ours.ts';
import type { TransformersSetup } from '../sides/transformers.ts';
import { inTurn, type Ratio, ratioOf } from '../statistics.ts';

const BATCH = 8;

/** Many images, models open and warm. */
export const perImage: Measurement = async (setting) => {
  const { model, env, threads, quick } = setting;
  const images = quick ? 16 : 150;
  const one = quick ? 4 : 50;
  const few = quick ? 1 : 8;
  const photos = repeated(setting.photos, images);
  const ours: OursSetup = { folder: model, photos, options: { threads, batch: BATCH, isolate: true } };
  const [fp32, int8, bare, theirs] = [
    await Side.open('ours.ts', ours, env),
    await openInt8(ours, setting),
    await Side.open('bare.ts', { folder: model, images, batch: BATCH, threads } satisfies BareSetup, env),
    await Side.open(
      'transformers.ts',
      { folder: model, photos: photos.slice(0, one), few } satisfies TransformersSetup,
      env,
    ),
  ];
  const each = (side: Side, work: string, count: number) => async () => (await side.work(work)) / count;
  const took = await inTurn(
    {
      bare: each(bare, 'images', images),
      fp32: each(fp32, 'images', images),
      ...(int8 instanceof Side && { int8: each(int8, 'images', images) }),
      theirs: each(theirs, 'images', one),
      'fp32, 100 labels': each(fp32, 'hundred new labels', images),
      'theirs, 100 labels': each(theirs, 'hundred labels', few),
    } as Record<string, () => Promise<number>>,
    quick ? 2 : 5,
  );
  for (const side of [fp32, int8, bare, theirs]) if (side instanceof Side) await side.close();
  const compare = (a: string, b: string): Ratio => ratioOf(took[a] ?? [], took[b] ?? []);
  return [
    ratioRow(
      'fp32 wall per image ÷ bare session.run at batch 8',
      { atMost: 1.1 },
      compare('fp32', 'bare'),
      `${images} images`,
    ),
    ratioRow('transformers.js one by one ÷ ours, 2 labels', { atLeast: 2.2 }, compare('theirs', 'fp32')),
    ratioRow(
      'transformers.js one by one ÷ ours, 100 labels, not cached',
      { atLeast: 10 },
      compare('theirs, 100 labels', 'fp32, 100 labels'),
    ),
    int8Row(int8, () => compare('fp32', 'int8')),
  ];
};

function int8Row(side: Side | string, compare: () => Ratio): Row {
  const what = 'ours fp32 ÷ ours int8';
  return side instanceof Side ? ratioRow(what, { atLeast: 1.5 }, compare()) : absentRow(what, { atLeast: 1.5 }, side);
}

/** @returns why there is none, where there is none */
function openInt8({ options, ...setup }: OursSetup, { env }: Setting): Promise<Side | string> {
  const int8: OursSetup = { ...setup, options: { ...options, dtype: 'int8' } };
  return Side.open('ours.ts', int8, env).catch((error: Error) => error.message);
}
