import { describe, expect, it } from 'vitest';
import { ImageError } from '../src/errors.ts';
import { calibrate, createClassifier, evaluate, type Judged, loadModel } from '../src/index.ts';
import golden from './golden/evaluation.json' with { type: 'json' };
import { fixture } from './paths.ts';

/** A result from scores in the order of the labels. */
function judged(image: string, truth: string, labels: readonly string[], scores: readonly number[]): Judged {
  const ranked = scores.map((score, n) => ({ label: labels[n] as string, score })).sort((a, b) => b.score - a.score);
  return { result: { ok: true, image, label: ranked[0]?.label ?? null, labels: ranked.slice(0, 5) }, truth };
}
const failed = (image: string) => ({
  ok: false as const,
  image,
  error: new ImageError('E_DECODE', `${image} is empty`, 'fetch it again'),
});
async function* each<T>(items: readonly T[]) {
  yield* items;
}

// Recorded by test/golden/record_evaluation.py. Sums of at most 120 doubles in another order: 1e-12.
describe(`evaluate agrees with ${golden.source}`, () => {
  it.each(golden.cases)('$name', async ({ truth, scores, ...expected }) => {
    const { labels } = golden;
    const images = scores.map((row, n) => judged(`${n}.png`, labels[truth[n] as number] as string, labels, row));
    const evaluation = await evaluate(each(images), labels);
    for (const figure of ['top1', 'top5', 'meanPerClassRecall', 'ece'] as const)
      expect(Math.abs((evaluation[figure] as number) - expected[figure]), figure).toBeLessThan(1e-12);
    expect(evaluation.bins.map((bin) => bin.images)).toEqual(expected.bins);
    const matrix = labels.map((row) =>
      labels.map((column) => evaluation.confusion.find((c) => c.truth === row && c.predicted === column)?.images ?? 0),
    );
    expect(matrix).toEqual(expected.confusion);
    // scikit-learn returns 0 if a class is never predicted; here the precision is null.
    for (const [n, { precision }] of evaluation.classes.entries())
      expect(Math.abs((precision ?? 0) - (expected.precision[n] as number))).toBeLessThan(1e-12);
  });
});

describe('evaluate, by hand', () => {
  const labels = ['cat', 'dog', 'elk'];

  it('counts four images and a failure', async () => {
    const { classes, confusion, bins, ...evaluation } = await evaluate(
      each([
        judged('a', 'cat', labels, [0.8, 0.1, 0.1]), // right
        judged('b', 'cat', labels, [0.3, 0.6, 0.1]), // a cat, labelled as dog
        { result: failed('c'), truth: 'cat' },
        judged('d', 'dog', labels, [0.1, 0.8, 0.1]), // right
        judged('e', 'dog', labels, [0.0, 1.0, 0.0]), // right
      ]),
      labels,
    );
    expect(evaluation).toEqual({
      labels,
      images: 4,
      failed: 1,
      refused: 0,
      top1: 0.75,
      precision: 0.75,
      top5: 1,
      meanPerClassRecall: 0.75, // (1/2 + 2/2) / 2, because no image shows an elk
      // bins (11/15, 12/15] with 2 of 2 at 0.8, (8/15, 9/15] with 0 of 1 at 0.6, (14/15, 1] with 1 of 1 at 1
      ece: expect.closeTo((Math.abs(2 - 1.6) + 0.6 + 0) / 4, 12),
      mistakes: [{ image: 'b', truth: 'cat', predicted: 'dog', score: 0.6 }],
      failures: [{ image: 'c', truth: 'cat', code: 'E_DECODE', message: 'c is empty; fetch it again' }],
    });
    expect(classes).toEqual([
      { label: 'cat', images: 2, predicted: 1, right: 1, recall: 0.5, precision: 1 },
      { label: 'dog', images: 2, predicted: 3, right: 2, recall: 1, precision: 2 / 3 },
      { label: 'elk', images: 0, predicted: 0, right: 0, recall: null, precision: null },
    ]);
    expect(confusion).toEqual([
      { truth: 'cat', predicted: 'cat', images: 1 },
      { truth: 'cat', predicted: 'dog', images: 1 },
      { truth: 'dog', predicted: 'dog', images: 2 },
    ]);
    expect(bins.flatMap((bin, n) => (bin.images > 0 ? [[n, bin.images, bin.accuracy]] : []))).toEqual([
      [8, 1, 0],
      [11, 2, 1],
      [14, 1, 1],
    ]);
  });

  it('counts an image without a label as wrong, in its own column', async () => {
    const refuse = ({ result, truth }: Judged): Judged => ({
      result: { ...result, label: null } as typeof result,
      truth,
    });
    const evaluation = await evaluate(
      each([
        judged('a', 'cat', labels, [0.8, 0.1, 0.1]), // right
        refuse(judged('b', 'cat', labels, [0.5, 0.4, 0.1])), // would have been right
        refuse(judged('c', 'dog', labels, [0.5, 0.4, 0.1])), // would have been wrong
        judged('d', 'dog', labels, [0.6, 0.3, 0.1]), // wrong
      ]),
      labels,
    );
    expect(evaluation).toMatchObject({
      images: 4,
      refused: 2,
      top1: 0.25,
      precision: 0.5,
      top5: 1,
      meanPerClassRecall: 0.25, // (1/2 + 0/2) / 2
      confusion: [
        { truth: 'cat', predicted: 'cat', images: 1 },
        { truth: 'cat', predicted: null, images: 1 },
        { truth: 'dog', predicted: 'cat', images: 1 },
        { truth: 'dog', predicted: null, images: 1 },
      ],
      mistakes: [{ image: 'd', truth: 'dog', predicted: 'cat', score: 0.6 }],
    });
    expect(evaluation.classes.map(({ images, predicted, right }) => [images, predicted, right])).toEqual([
      [2, 2, 1],
      [2, 0, 0],
      [0, 0, 0],
    ]);
  });

  it('refuses a true label that is not one of the labels', async () => {
    await expect(evaluate(each([judged('a', 'fox', labels, [1, 0, 0])]), labels)).rejects.toThrow(RangeError);
  });

  it('has null for the figures if no image could be read', async () => {
    const evaluation = await evaluate(each([{ result: failed('x'), truth: 'cat' }]), labels);
    expect(evaluation).toMatchObject({
      images: 0,
      failed: 1,
      top1: null,
      top5: null,
      meanPerClassRecall: null,
      ece: null,
    });
  });

  it('keeps the 24 most confident mistakes; with equal scores, the earlier image first', async () => {
    const images = Array.from({ length: 100 }, (_, n) => {
      const score = 0.5 + (n % 50) / 100;
      return judged(`${n}`, 'cat', labels, [0, score, 1 - score]);
    });
    const { mistakes } = await evaluate(each(images), labels);
    expect(mistakes.map(({ image }) => image)).toEqual(
      Array.from({ length: 24 }, (_, n) => String(49 - Math.floor(n / 2) + (n % 2) * 50)),
    );
  });

  it('needs no more memory for many images than for a few', async () => {
    const one = judged('wrong.png', 'cat', labels, [0.1, 0.8, 0.1]);
    async function* many(count: number) {
      for (let n = 0; n < count; n++) yield n % 2 === 0 ? one : { result: failed(`${n}.png`), truth: 'dog' };
    }
    const evaluation = await evaluate(many(20_000), labels);
    expect([evaluation.images, evaluation.failed]).toEqual([10_000, 10_000]);
    expect([evaluation.mistakes.length, evaluation.failures.length]).toEqual([24, 1_000]);
  });
});

describe('the public entry', () => {
  it('evaluates and calibrates the results of a classifier', async () => {
    const clip = await loadModel(fixture('tiny-class'), { cache: false });
    const paths = ['rgb.png', 'grey.png', 'palette.png'].map((name) => fixture(`images/${name}`));
    async function* judgedBy(threshold: number) {
      const classifier = await createClassifier(clip, ['cat', 'dog'], { threshold });
      for await (const result of classifier.classify(paths, { top: 5 }))
        yield { result, truth: 'cat', key: result.image };
    }
    const said = await evaluate(judgedBy(0), ['cat', 'dog']);
    expect([said.images, said.refused, said.top5]).toEqual([3, 0, 1]);
    expect(await evaluate(judgedBy(1), ['cat', 'dog'])).toMatchObject({
      images: 3,
      refused: 3,
      top1: 0,
      precision: null,
    });
    const { threshold } = await calibrate(judgedBy(0), ['cat', 'dog'], 0.9);
    expect(threshold.chosenOn.images + threshold.triedOn.images).toBe(3);
    await clip.release();
  });
});
