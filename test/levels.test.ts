import { describe, expect, it } from 'vitest';
import { createClassifier } from '../src/classifier.ts';
import { loadModel } from '../src/clip.ts';
import { deepestCut } from '../src/levels.ts';
import { labelTree } from '../src/text/label-tree.ts';
import { checkLabels } from '../src/text/labels.ts';
import { fixture } from './paths.ts';

const LABELS = [
  { label: 'dog', parent: 'pet' },
  { label: 'cat', parent: 'pet' },
  { label: 'pet', parent: 'animal' },
  { label: 'horse', parent: 'animal' },
  { label: 'cup' },
];
const tree = labelTree(checkLabels(LABELS));
const namesOf = (cut: readonly number[]) => cut.map((n) => tree.nodes[n]?.label);

describe('a label tree', () => {
  it('adds parents that are not listed, and numbers leaves first', () => {
    expect(namesOf([...tree.nodes.keys()])).toEqual(['dog', 'cat', 'horse', 'cup', 'pet', 'animal']);
    expect(tree.depths).toEqual([3, 3, 2, 1, 2, 1]);
    expect(tree.members).toEqual([[0], [1], [2], [3], [0, 1], [0, 1, 2]]);
  });

  it('refuses a label that is its own parent', () => {
    const circle = [{ label: 'a', parent: 'b' }, { label: 'b', parent: 'a' }, { label: 'c' }];
    expect(() => labelTree(checkLabels(circle))).toThrow(/is its own parent/u);
  });
});

describe('the deepest label that reaches its threshold', () => {
  const cut = (scores: readonly number[], threshold: number) =>
    namesOf(deepestCut(tree, Float64Array.from(scores), new Array(6).fill(threshold)));

  it('is a leaf if a leaf reaches it', () => expect(cut([0.6, 0.1, 0.1, 0.2], 0.5)[0]).toBe('dog'));
  it('is the nearest parent otherwise', () => {
    expect(cut([0.3, 0.3, 0.1, 0.3], 0.5)).toEqual(['pet', 'horse', 'cup']);
    expect(cut([0.25, 0.2, 0.3, 0.25], 0.5)).toEqual(['animal', 'cup']);
  });
  it('changes nothing without a threshold', () => {
    expect(cut([0.3, 0.3, 0.1, 0.3], 0)).toEqual(['dog', 'cat', 'horse', 'cup']);
  });
  it('is a leaf if its score is higher than that of the group', () => {
    expect(cut([0.15, 0.15, 0.1, 0.6], 0.25)).toEqual(['dog', 'cat', 'horse', 'cup']);
  });
});

describe('a classifier of labels with parents', () => {
  const IMAGES = [fixture('images/rgb.png'), fixture('images/odd.jpg')];

  it('adds up the scores of the labels below, and a group has the logit of that sum', async () => {
    await using clip = await loadModel(fixture('tiny-class'));
    const flat = await createClassifier(clip, ['dog', 'cat', 'horse', 'cup']);
    const groups = await createClassifier(clip, LABELS, { level: 1 });
    expect(groups.labels).toEqual(['cup', 'animal']);
    for (const image of IMAGES) {
      const [leaves, result] = [await flat.classifyOne(image), await groups.classifyOne(image)];
      if (!leaves.ok || !result.ok) throw new Error('an image failed');
      const scoreOf = (label: string) => leaves.labels.find((one) => one.label === label)?.score ?? Number.NaN;
      const [cup, animal] = ['cup', 'animal'].map((name) => result.labels.find(({ label }) => label === name));
      expect(animal?.score).toBeCloseTo(scoreOf('dog') + scoreOf('cat') + scoreOf('horse'), 12);
      const odds = Math.exp((animal?.logit ?? 0) - (cup?.logit ?? 0));
      expect(odds / (1 + odds)).toBeCloseTo(animal?.score ?? Number.NaN, 9);
    }
  });

  it('returns a parent if no leaf reaches the threshold', async () => {
    await using clip = await loadModel(fixture('tiny-class'));
    const [image = ''] = IMAGES;
    const leaves = await (await createClassifier(clip, ['dog', 'cat', 'horse', 'cup'])).classifyOne(image);
    if (!leaves.ok) throw leaves.error;
    const threshold = leaves.score + 1e-6;
    const result = await (await createClassifier(clip, LABELS, { threshold })).classifyOne(image);
    if (!result.ok) throw result.error;
    expect(['pet', 'animal', null]).toContain(result.label);
    if (result.label !== null) expect(result.score).toBeGreaterThanOrEqual(threshold);
    else expect(result.reason).toBe('threshold');
  });

  it('refuses a level if no label has a parent', async () => {
    await using clip = await loadModel(fixture('tiny-class'));
    await expect(createClassifier(clip, ['dog', 'cat'], { level: 1 })).rejects.toThrow(/no label has a parent/u);
  });
});
