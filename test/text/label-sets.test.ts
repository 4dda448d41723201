import { describe, expect, it } from 'vitest';
import { labelSet, labelSetNames, promptedLabels } from '../../src/text/label-sets.ts';
import { labelTree } from '../../src/text/label-tree.ts';
import { checkLabels } from '../../src/text/labels.ts';
import { expandTemplates, promptsOf } from '../../src/text/prompts.ts';

/** As many labels as the data sets have classes. */
const CLASSES = { cifar10: 10, cifar100: 100, food101: 101, imagenet: 1000, pets: 37 } as const;

describe('the built-in label sets', () => {
  it.each(labelSetNames())('@%s can be used, and has a source and a licence', (name) => {
    const { title, source, licence, templates, labels } = labelSet(name);
    expect([title, source, licence].every((text) => text.length > 2)).toBe(true);
    expect(labelTree(checkLabels(labels)).leaves.length).toBeGreaterThan(9);
    expect(expandTemplates(templates).length).toBeGreaterThan(0);
  });

  it('have all classes of their data sets', () => {
    for (const [name, count] of Object.entries(CLASSES))
      expect([name, labelTree(checkLabels(labelSet(name).labels)).leaves.length]).toEqual([name, count]);
  });

  it('group the classes of CIFAR-100 in fives', () => {
    const { nodes, leaves, members } = labelTree(checkLabels(labelSet('cifar100').labels));
    expect(nodes.length - leaves.length).toBe(20);
    expect(members.slice(100).every(({ length }) => length === 5)).toBe(true);
  });

  it('have their own templates, with the domain at the end', () => {
    const [first] = promptedLabels(labelSet('@food101'));
    expect(promptsOf(first ?? { label: '' }, ['unused {}'])).toEqual(['a photo of apple pie, a type of food.']);
    const [bird] = promptedLabels({ ...labelSet('cifar10'), templates: ['a photo of a {}.'] }, 'animal');
    expect(promptsOf(bird ?? { label: '' }, [])).toEqual(['a photo of a airplane, a type of animal.']);
  });

  it('are listed if the name of a set is unknown', () => {
    expect(() => labelSet('@birds')).toThrow(/there is no label set @birds; use one of @cifar10, .*@scenes/u);
  });
});
