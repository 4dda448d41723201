import { describe, expect, it } from 'vitest';
import { lintWords } from '../../src/text/label-lint.ts';
import { labelSet } from '../../src/text/label-sets.ts';
import { checkLabels, type Label } from '../../src/text/labels.ts';

const lint = (labels: readonly (string | Label)[], templates = ['a photo of a {}']) =>
  lintWords(checkLabels(labels), templates).map(({ rule, labels, instead }) => [rule, ...labels, instead]);

describe('lintWords', () => {
  it('finds nothing in good labels', () => {
    expect(lint(['tabby cat', 'beagle', 'wooden chair'])).toEqual([]);
  });

  it('names ambiguous words, unless prompts or aliases say what is meant', () => {
    expect(lint(['crane', 'sparrow'])).toEqual([['ambiguous', 'crane', '"crane, a bird" or "construction crane"']]);
    expect(lint([{ label: 'crane', prompts: ['a photo of a construction crane'] }, 'sparrow'])).toEqual([]);
    expect(lint([{ label: 'crane', aliases: ['heron'] }, 'bridge'])).toEqual([]);
  });

  it('names a general word next to its kinds, but not the parent of a label', () => {
    expect(lint(['dog', 'poodle', 'chair'])[0]?.slice(0, 3)).toEqual(['parent', 'dog', 'poodle']);
    expect(lint([{ label: 'poodle', parent: 'dog' }, 'wooden chair'])).toEqual([]);
  });

  it('names negations and catch-alls', () => {
    expect(lint(['no animal', 'not a cat', 'room without people', 'other']).map(([rule]) => rule)).toEqual(
      Array.from({ length: 4 }, () => 'negation'),
    );
    expect(lint(['notebook', 'nonna', 'knot'])).toEqual([]);
  });

  it('names words that are also in the template', () => {
    expect(lint(['a beagle', 'photo of a chair'])).toEqual([
      ['template', 'a beagle', 'write "beagle"'],
      ['template', 'photo of a chair', 'shorten the label, or use a template without "photo": --template "{}"'],
    ]);
    expect(lint(['street food'], ['a photo of {}, a type of food'])).toHaveLength(1);
  });

  it('finds no negation, doubled word or parent in the sets of everyday labels', () => {
    for (const name of ['photos', 'scenes']) {
      const { labels, templates } = labelSet(name);
      const found = lintWords(checkLabels(labels), templates).filter(({ rule }) => rule !== 'ambiguous');
      expect(found).toEqual([]);
    }
  });
});
