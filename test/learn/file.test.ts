import { describe, expect, it } from 'vitest';
import { discriminant, priorOf } from '../../src/learn/discriminant.ts';
import { learnedJson, parseLearned } from '../../src/learn/file.ts';
import type { Learned } from '../../src/learn/learned.ts';
import { statisticsOf } from '../../src/learn/statistics.ts';
import { madeUpPictures } from './examples.ts';

const { pictures, classes } = madeUpPictures([3, 5, 1], 12);
const statistics = statisticsOf(pictures, classes, 3);
const learned: Learned = {
  model: { name: 'tiny', digest: 'ab'.repeat(32) },
  labels: [
    { label: 'cat', aliases: ['kitten'], pictures: 3, words: true },
    { label: 'dog', prompts: ['a good {}'], threshold: 0.4, pictures: 6, words: false },
    { label: 'elk', pictures: 1, words: true },
  ],
  templates: ['a photo of a {}'],
  statistics,
  prior: priorOf(statistics),
  weights: { words: 0.8, pictures: 0.05 },
  leaveOneOut: { pictures: 8, zeroShot: { accuracy: 0.5, ece: 0.1 }, learned: { accuracy: 0.75, ece: 0.05 } },
};

describe('a classifier file', () => {
  it('contains everything, with numbers in float32', () => {
    const { statistics: read, ...rest } = parseLearned(learnedJson(learned));
    const { statistics: written, ...expected } = learned;
    expect(rest).toEqual(expected);
    expect(read.counts).toEqual(written.counts);
    const [ours, theirs] = [discriminant(written, learned.prior), discriminant(read, learned.prior)];
    for (const [at, weight] of ours.weights.entries())
      expect(Math.abs((theirs.weights[at] as number) - weight)).toBeLessThan(1e-4);
  });

  it('is refused if a digit of a number is changed, and is read if a label has another name', () => {
    const json = learnedJson(learned);
    for (const field of ['"means": "', '"factor": "', '"words": 0.', '"ridge": 0.', '"distinct": ']) {
      const at = json.indexOf(field) + field.length;
      const flipped = `${json.slice(0, at)}${json[at] === '2' ? 3 : 2}${json.slice(at + 1)}`;
      expect(() => parseLearned(flipped), field).toThrow(/damaged, because its numbers/);
    }
    expect(parseLearned(json.replace('"cat"', '"tom"')).labels[0]?.label).toBe('tom');
  });

  const changed = (change: (file: Record<string, unknown>) => void) => {
    const file = JSON.parse(learnedJson(learned));
    change(file);
    return () => parseLearned(JSON.stringify(file));
  };
  it.each([
    ['another format', (file) => (file['format'] = 'x'), /format/],
    ['a later version', (file) => (file['version'] = 2), /version is 2/],
    ['means that are cut', (file) => (file['means'] = String(file['means']).slice(4)), /means has/],
    ['a factor that is cut', (file) => (file['factor'] = ''), /factor/],
    ['a width that does not fit', (file) => (file['width'] = 13), /means has/],
    ['a huge width', (file) => (file['width'] = 1e9), /width is 1000000000/],
    ['no labels', (file) => (file['labels'] = []), /no labels/],
    ['a weight below 0', (file) => (file['weights'] = { words: -1, pictures: 1 }), /words is -1/],
    [
      'numbers that are not finite',
      (file) => (file['means'] = Buffer.alloc(144, 255).toString('base64')),
      /not finite/,
    ],
  ] as [string, (file: Record<string, unknown>) => void, RegExp][])('is refused with %s', (_, change, message) => {
    expect(changed(change)).toThrow(message);
  });
});
