import { TWO_LABELS } from '../labels.ts';
import { repeated } from '../photos.ts';
import { Side } from '../processes.ts';
import type { Row } from '../report.ts';
import type { Measurement } from '../setting.ts';
import type { OursSetup } from '../sides/ours.ts';
import { inTurn, median } from '../statistics.ts';

/** Images a second from one thread to all cores. */
export const cores: Measurement = async ({ model, photos, env, threads, quick }) => {
  const images = quick ? 16 : 96;
  const tasks = { images: { photos: repeated(photos, images), labels: TWO_LABELS } };
  const counts = Array.from({ length: threads }, (_, n) => n + 1).filter((n) => n === threads || (n & (n - 1)) === 0);
  const sides = new Map<string, Side>();
  for (const folder of [model, 'starter']) {
    for (const count of counts) {
      const setup: OursSetup = { folder, tasks, options: { threads: count, batch: 8, isolate: true } };
      sides.set(`${folder === model ? 'ViT-B/32' : folder}, threads ${count}`, await Side.open('ours.ts', setup, env));
    }
  }
  const took = await inTurn<string>(
    Object.fromEntries([...sides].map(([name, side]) => [name, () => side.work('images')])),
    quick ? 1 : 5,
  );
  const rows: Row[] = [];
  for (const [name, side] of sides) {
    await side.close();
    const each = took[name] ?? [];
    const rate = (milliseconds: number) => (1000 * images) / milliseconds;
    const [low, high] = [rate(Math.max(...each)), rate(Math.min(...each))].map((value) => value.toFixed(1));
    rows.push({ what: `${name}: images/s`, reached: rate(median(each)), detail: `${low} to ${high}` });
  }
  return rows;
};
