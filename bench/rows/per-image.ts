import { TWO_LABELS } from '../labels.ts';
import { repeated } from '../photos.ts';
import { Side } from '../processes.ts';
import { absentRow, type Row, ratioRow } from '../report.ts';
import type { Measurement, Setting } from '../setting.ts';
import type { BareSetup } from '../sides/bare.ts';
import type { OursSetup } from '../sides/ours.ts';
import { inTurn, type Ratio, ratioOf } from '../statistics.ts';

const BATCH = 8;

/** Many small photographs, models open and warm: the time besides the inference. */
export const perImage: Measurement = async (setting) => {
  const { model, env, threads, quick } = setting;
  const images = quick ? 16 : 150;
  const tasks = { images: { photos: repeated(setting.photos, images), labels: TWO_LABELS } };
  const ours: OursSetup = { folder: model, tasks, options: { threads, batch: BATCH, isolate: true } };
  const bare: BareSetup = { folder: model, images, batch: BATCH, threads };
  const sides = {
    bare: await Side.open('bare.ts', bare, env),
    fp32: await Side.open('ours.ts', ours, env),
    int8: await openInt8(ours, setting),
  };
  const took = await inTurn(
    Object.fromEntries(
      Object.entries(sides).flatMap(([name, side]) =>
        side instanceof Side ? [[name, async () => (await side.work('images')) / images]] : [],
      ),
    ) as Record<string, () => Promise<number>>,
    quick ? 2 : 7,
  );
  for (const side of Object.values(sides)) if (side instanceof Side) await side.close();
  const compare = (a: string, b: string): Ratio => ratioOf(took[a] ?? [], took[b] ?? []);
  return [
    ratioRow(
      'fp32 wall per image ÷ bare session.run at batch 8',
      { atMost: 1.08 },
      compare('fp32', 'bare'),
      `${images} images`,
    ),
    int8Row(sides.int8, () => compare('fp32', 'int8')),
  ];
};

function int8Row(side: Side | string, compare: () => Ratio): Row {
  const what = 'ours fp32 ÷ ours int8';
  return side instanceof Side ? ratioRow(what, { atLeast: 1.5 }, compare()) : absentRow(what, { atLeast: 1.5 }, side);
}

/** @returns the reason, if int8 does not run */
function openInt8({ options, ...setup }: OursSetup, { env }: Setting): Promise<Side | string> {
  const int8: OursSetup = { ...setup, options: { ...options, dtype: 'int8' } };
  return Side.open('ours.ts', int8, env).catch((error: Error) => error.message);
}
