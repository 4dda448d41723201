import { describe, expect, it } from 'vitest';
import type { Activation } from '../src/classes.ts';
import { createClassifier, scoreImage } from '../src/classifier.ts';
import { loadModel } from '../src/clip.ts';
import { decide, type Rule, type Scores } from '../src/ranking.ts';
import { l2Normalize } from '../src/tensor.ts';
import golden from './golden/scores.json' with { type: 'json' };
import { fixture } from './paths.ts';

/** Unit rows in the plane, from angles in degrees: the cosine with the first axis is that of the angle. */
const atAngles = (...degrees: number[]) => {
  const data = degrees.flatMap((angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]);
  return l2Normalize({ rows: degrees.length, columns: 2, data: Float32Array.from(data) });
};
const image = atAngles(0);
/** Two labels with cosines ½ and 0, and two background classes with cosines √½ and -½. */
const classes = (activation: Activation, logitBias?: number) => ({
  rows: atAngles(60, 90, 45, 120),
  labelCount: 2,
  templates: [],
  logitScale: 2,
  activation,
  logitBias,
  evidence: undefined,
});

describe('scoreImage, by hand', () => {
  it('softmax: the scores of labels and background classes add up to 1', () => {
    const { scores, background, logits } = scoreImage(image, classes('softmax'));
    const powers = [Math.E, 1, Math.exp(Math.SQRT2), Math.exp(-1)];
    const sum = powers.reduce((a, b) => a + b);
    // Cosines are float32: 1e-7 of the logit 2 at most.
    expect(logits[0]).toBeCloseTo(1, 6);
    expect(scores[0]).toBeCloseTo(Math.E / sum, 6);
    expect(scores[1]).toBeCloseTo(1 / sum, 6);
    expect(background).toBeCloseTo(Math.exp(Math.SQRT2) / sum, 6);
  });

  it('softmax without a background', () => {
    const { scores, background } = scoreImage(image, { ...classes('softmax'), rows: atAngles(60, 90) });
    expect(scores[0]).toBeCloseTo(Math.E / (Math.E + 1), 6);
    expect(background).toBeUndefined();
  });

  it('sigmoid of a SigLIP: the logits contain its bias', () => {
    const { scores, background } = scoreImage(image, classes('sigmoid', -1));
    expect(scores[0]).toBeCloseTo(0.5, 6);
    expect(scores[1]).toBeCloseTo(1 / (1 + Math.E), 6);
    expect(background).toBeCloseTo(1 / (1 + Math.exp(1 - Math.SQRT2)), 6);
  });

  it('sigmoid of a CLIP: the best background class gets ½', () => {
    const { scores, logits, background } = scoreImage(image, classes('sigmoid'));
    expect(logits[0]).toBeCloseTo(1 - Math.SQRT2, 6);
    expect(scores[0]).toBeCloseTo(Math.E / (Math.E + Math.exp(Math.SQRT2)), 6);
    expect(background).toBe(0.5);
  });
});

const NAMES = ['cat', 'dog', 'owl'];
const rule = (of: Partial<Rule>): Rule => ({
  names: NAMES,
  thresholds: [0, 0, 0],
  minMargin: 0,
  hasBackground: false,
  multiLabel: false,
  ...of,
});
const scored = (scores: number[], background?: number): Scores => ({
  cosines: new Float32Array(3),
  logits: new Float64Array(3),
  scores: Float64Array.from(scores),
  ...(background !== undefined && { background }),
});
const outcome = (scores: Scores, of: Partial<Rule>, k = 3) => {
  const { label, score, reason, background } = decide(scores, rule(of), k);
  return [label, score, reason, background];
};

describe('decide', () => {
  it('takes the best label if there is no threshold, margin or background', () => {
    expect(decide(scored([0.25, 0.5, 0.125]), rule({}), 2)).toEqual({
      label: 'dog',
      score: 0.5,
      labels: [
        { label: 'dog', score: 0.5, logit: 0, cosine: 0 },
        { label: 'cat', score: 0.25, logit: 0, cosine: 0 },
      ],
    });
  });

  it.each([
    [
      'a score below the threshold',
      scored([0.25, 0.5, 0.125]),
      { thresholds: [0.6, 0.6, 0.6] },
      [null, 0.5, 'threshold', undefined],
    ],
    [
      'a score at the threshold',
      scored([0.25, 0.5, 0.125]),
      { thresholds: [0.5, 0.5, 0.5] },
      ['dog', 0.5, undefined, undefined],
    ],
    [
      'only the threshold of the best',
      scored([0.25, 0.5, 0.125]),
      { thresholds: [0.9, 0.5, 0.9] },
      ['dog', 0.5, undefined, undefined],
    ],
    [
      'no other label instead',
      scored([0.25, 0.5, 0.125]),
      { thresholds: [0, 0.75, 0] },
      [null, 0.5, 'threshold', undefined],
    ],
    ['a lead below the minimum', scored([0.25, 0.5, 0.125]), { minMargin: 0.375 }, [null, 0.5, 'margin', undefined]],
    [
      'a lead equal to the minimum',
      scored([0.25, 0.5, 0.125]),
      { minMargin: 0.25 },
      ['dog', 0.5, undefined, undefined],
    ],
    [
      'the lead over the background',
      scored([0.125, 0.5, 0], 0.375),
      { minMargin: 0.25, hasBackground: true },
      [null, 0.5, 'margin', 0.375],
    ],
    [
      'a background with the best score',
      scored([0.25, 0.125, 0], 0.625),
      { hasBackground: true },
      [null, 0.25, 'none', 0.625],
    ],
    [
      'a background with the same score',
      scored([0.5, 0, 0], 0.5),
      { hasBackground: true },
      ['cat', 0.5, undefined, 0.5],
    ],
    ['a background that was not asked for', scored([0.25, 0, 0], 0.5), {}, ['cat', 0.25, undefined, undefined]],
    [
      'the background before the threshold',
      scored([0.25, 0, 0], 0.5),
      { hasBackground: true, thresholds: [1, 1, 1] },
      [null, 0.25, 'none', 0.5],
    ],
    [
      'the threshold before the margin',
      scored([0.25, 0.25, 0]),
      { minMargin: 1, thresholds: [1, 1, 1] },
      [null, 0.25, 'threshold', undefined],
    ],
  ] as const)('weighs %s', (_, scores, of, expected) => {
    expect(outcome(scores, of)).toEqual(expected);
  });

  it('accepts each label by its own threshold with multiLabel, and lists all accepted labels', () => {
    const found = decide(scored([0.875, 0.75, 0.625]), rule({ multiLabel: true, thresholds: [0.9, 0.5, 0.5] }), 1);
    expect([found.label, found.score]).toEqual(['dog', 0.75]);
    expect(found.labels.map(({ label, reason }) => [label, reason])).toEqual([
      ['cat', 'threshold'],
      ['dog', undefined],
      ['owl', undefined],
    ]);
  });

  it('gives the reason threshold if all labels are rejected', () => {
    const found = decide(scored([0.25, 0.375, 0.125]), rule({ multiLabel: true, thresholds: [0.5, 0.5, 0.5] }), 1);
    expect(found).toEqual({
      label: null,
      score: 0.375,
      reason: 'threshold',
      labels: [{ label: 'dog', score: 0.375, logit: 0, cosine: 0, reason: 'threshold' }],
    });
  });
});

describe(`scores against a background agree with ${golden.source}`, () => {
  it.each(golden.cases)('$model, $kind', async ({ model, files, kind, scores: all, background: backgrounds }) => {
    const clip = await loadModel(fixture(model), { threads: 1 });
    const classifier = await createClassifier(clip, golden.labels, {
      nonePrompts: golden.backgrounds,
      multiLabel: kind === 'sigmoid',
    });
    let n = 0;
    for await (const result of classifier.classify(
      files.map((file) => fixture(`images/${file}`)),
      { exif: false },
    )) {
      if (!result.ok) throw result.error;
      const scores = all[n] as number[];
      const background = backgrounds[n] as number;
      for (const [l, { label }] of golden.labels.entries()) {
        const ranked = result.labels.find((one) => one.label === label);
        expect(Math.abs((ranked?.score ?? Number.NaN) - (scores[l] as number))).toBeLessThan(1e-4); // as promised
      }
      expect(Math.abs((result.background ?? Number.NaN) - background)).toBeLessThan(1e-4);
      if (background > Math.max(...scores)) expect([result.label, result.reason]).toEqual([null, 'none']);
      else if (kind === 'softmax') expect(result.label).toBe(result.labels[0]?.label);
      n++;
    }
    expect(n).toBe(files.length);
    await clip.release();
  });
});
