import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { calibrate, missedAims } from '../src/calibrate.ts';
import { labelsFile } from '../src/output/calibration.ts';

/** Names with an even hash are in the calibration split, the others in the test split. */
const name = (chooses: boolean, from: number): string => {
  for (let n = from; ; n++) {
    const even = (createHash('sha256').update(`${n}.png`).digest()[0] as number) % 2 === 0;
    if (even === chooses) return `${n}.png`;
  }
};

/** [given label, whether it is right, score] */
type Row = readonly [label: string, right: boolean, score: number];

async function* images(rows: readonly Row[], chooses: boolean, from = 0) {
  for (const [n, [label, right, score]] of rows.entries()) {
    const image = name(chooses, from + n * 50);
    const other = label === 'cat' ? 'dog' : 'cat';
    const labels = [
      { label, score },
      { label: other, score: 1 - score },
    ];
    yield { result: { ok: true as const, image, label, labels }, truth: right ? label : other, key: image };
  }
}
async function* both<T>(...sources: AsyncIterable<T>[]) {
  for (const source of sources) yield* source;
}

describe('calibrate, by hand', () => {
  const choosing: Row[] = [
    ['cat', true, 0.99],
    ['cat', true, 0.9],
    ['cat', false, 0.8], // 2 of 3
    ['cat', true, 0.7], // 3 of 4
    ['cat', false, 0.6], // 3 of 5
    ['dog', true, 0.75], // 1 of 1
    ['dog', true, 0.55],
  ];
  const trying: Row[] = [
    ['cat', true, 0.95],
    ['cat', false, 0.7],
    ['cat', true, 0.65],
    ['dog', false, 0.9],
  ];

  it('names the thresholds that miss the target on the test split', async () => {
    const judged = both(images(choosing, true), images(trying, false, 5_000));
    const misses = missedAims(await calibrate(judged, ['cat', 'dog'], 0.75));
    expect(misses).toEqual([
      { name: '--threshold', precision: 0.5 },
      { name: '--min-margin', precision: 0.5 },
      { name: '"cat"', precision: 2 / 3 },
      { name: '"dog"', precision: 0 },
      { name: 'all labels together', precision: 0.5 },
    ]);
  });

  it('chooses the lowest threshold that reaches the precision, and reports its precision on the test split', async () => {
    const judged = both(images(choosing, true), images(trying, false, 5_000));
    const { labels, threshold, minMargin, together } = await calibrate(judged, ['cat', 'dog'], 0.75);
    expect(labels).toEqual([
      {
        label: 'cat',
        value: 0.65, // between 0.7, with which 3 of 4 are right, and 0.6
        chosenOn: { images: 5, answered: 4, coverage: 0.8, precision: 0.75 },
        triedOn: { images: 3, answered: 3, coverage: 1, precision: 2 / 3 },
      },
      {
        label: 'dog',
        value: 0, // all are right
        chosenOn: { images: 2, answered: 2, coverage: 1, precision: 1 },
        triedOn: { images: 1, answered: 1, coverage: 1, precision: 0 },
      },
    ]);
    // 0.99 + | 0.9 + | 0.8 – | 0.75 + | 0.7 + : 4 of 5 | 0.6 – : 4 of 6 | 0.55 + : 5 of 7
    expect(threshold).toMatchObject({ value: 0.65, chosenOn: { answered: 5, precision: 0.8 } });
    expect(threshold.triedOn).toEqual({ images: 4, answered: 4, coverage: 1, precision: 0.5 });
    expect(minMargin.value).toBe(0.3); // of two labels, margin = 2 · score − 1; between 0.2 and 0.4
    expect(together).toEqual({ images: 4, answered: 4, coverage: 1, precision: 0.5 });
  });

  it('suggests no threshold if none reaches the precision', async () => {
    const judged = both(images([['cat', false, 0.9]], true), images([['cat', true, 0.9]], false, 5_000));
    const { labels, together } = await calibrate(judged, ['cat', 'dog'], 0.9);
    expect(labels.map(({ value }) => value)).toEqual([null, null]);
    expect(together).toEqual({ images: 1, answered: 0, coverage: 0, precision: null });
  });

  it('distinguishes scores that differ in the seventh digit', async () => {
    const rows: Row[] = [
      ['cat', true, 0.9999995],
      ['cat', false, 0.999999],
    ];
    const calibration = await calibrate(images(rows, true), ['cat'], 1);
    const [written] = JSON.parse(labelsFile(calibration, [{ label: 'cat' }]));
    expect(written.threshold).toBeGreaterThan(0.999999);
    expect(written.threshold).toBeLessThanOrEqual(0.9999995);
  });

  it('accepts either both or none of two equal scores', async () => {
    const rows: Row[] = [
      ['cat', true, 0.9],
      ['cat', true, 0.8],
      ['cat', false, 0.8],
      ['cat', false, 0.5],
    ];
    const { labels } = await calibrate(images(rows, true), ['cat'], 1);
    expect(labels[0]?.value).toBe(0.85);
  });
});
