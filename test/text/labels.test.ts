import { describe, expect, it } from 'vitest';
import { LabelsError } from '../../src/errors.ts';
import { checkLabels, splitLabels } from '../../src/text/labels.ts';
import { expandTemplates, fillTemplate, neutralPrompts, promptsOf, templateSets } from '../../src/text/prompts.ts';

describe('labels', () => {
  it('are separated by commas, unless they are escaped', () => {
    expect(splitLabels('cat, dog\\, wet,bird')).toEqual(['cat', ' dog, wet', 'bird']);
  });

  it('are trimmed and otherwise unchanged', () => {
    const given = [' cat ', 'Big Dog', { label: ' élan', aliases: [' moose '], threshold: 0.5 }];
    expect(checkLabels(given)).toEqual([
      { label: 'cat' },
      { label: 'Big Dog' },
      { label: 'élan', aliases: ['moose'], threshold: 0.5 },
    ]);
  });

  it('keep printable ASCII, and lose or refuse every control character', () => {
    for (let code = 0; code < 128; code++) {
      const one = String.fromCharCode(code);
      const isPrinted = code > 32 && code < 127;
      expect(checkLabels([`${one}a${one}`]), `${code}`).toEqual([{ label: isPrinted ? `${one}a${one}` : 'a' }]);
      const inside = () => checkLabels([`a${one}b`]);
      if (isPrinted || /\s/u.test(one)) expect(inside(), `${code}`).toHaveLength(1);
      else expect(inside, `${code}`).toThrow('invisible character');
    }
  });

  it.each([
    [[], /no labels/],
    [['cat', '  '], /label 2 of 2 is empty/],
    [['cat', 'cat'], /"cat" is listed twice/],
    [['cat', 'dog', 'CAT'], /"cat" and "CAT" are the same label/],
  ])('refuses %j', (labels, message) => {
    expect(() => checkLabels(labels)).toThrow(LabelsError);
    expect(() => checkLabels(labels)).toThrow(message);
  });

  it.each([
    [{ label: 'cat', threshold: 1.5 }, /the threshold of label "cat" is 1.5; use a number from 0 to 1/],
    [{ label: 'cat', threshold: Number.NaN }, /the threshold of label "cat" is NaN/],
    [{ label: 'cat', aliases: [' '] }, /the label "cat" has an empty prompt or alias/],
    [{ label: 'cat', prompts: ['', 'x'] }, /the label "cat" has an empty prompt or alias/],
    [{ label: 'cat', aliases: ['Dog'] }, /"Dog" is both a label and an alias of "cat"/],
  ])('refuses %j', (label, message) => {
    expect(() => checkLabels(['dog', label])).toThrow(LabelsError);
    expect(() => checkLabels(['dog', label])).toThrow(message);
  });

  it('may have their own name as an alias, and share aliases', () => {
    const crane = { label: 'crane', aliases: ['Crane', 'bird'] };
    expect(checkLabels([crane, { label: 'heron', aliases: ['bird'] }])).toHaveLength(2);
  });
});

describe('templates', () => {
  it.each([
    ['a photo of a {}', 'cat', 'a photo of a cat'],
    ['a <label>, a type of <label>', 'cat', 'a cat, a type of cat'],
    ['a {}', 'x<label>y {}', 'a x<label>y {}'],
    ['{}', "$& $1 $' $$", "$& $1 $' $$"],
  ])('%s with %s is %s', (template, label, prompt) => {
    expect(fillTemplate(template, label)).toBe(prompt);
  });

  it('replace the names of sets, without duplicates', () => {
    expect(expandTemplates(['photo', 'a {}', 'a photo of a {}'])).toEqual(['a photo of a {}', 'a {}']);
    expect(expandTemplates(['openai-80'])).toHaveLength(80);
    expect(expandTemplates(['openai-7'])).toHaveLength(7);
    expect(expandTemplates(['bare'])).toEqual(['{}']);
  });

  it('all have a placeholder', () => {
    for (const [, templates] of templateSets()) for (const template of templates) expect(template).toContain('{}');
  });

  it('are refused without a placeholder', () => {
    expect(() => expandTemplates(['a photo'])).toThrow(
      /is not a prompt template and not a template set; .*bare, .*openai-80/,
    );
  });
});

describe('the prompts of a label', () => {
  const TEMPLATES = ['a photo of a {}', 'the <label>'];

  it.each([
    [{ label: 'cat' }, ['a photo of a cat', 'the cat']],
    [{ label: 'cat', prompts: [] }, ['a photo of a cat', 'the cat']],
    [{ label: 'cat', aliases: ['kitty'] }, ['a photo of a cat', 'a photo of a kitty', 'the cat', 'the kitty']],
    [{ label: 'cat', aliases: ['cat'] }, ['a photo of a cat', 'the cat']],
    [{ label: 'cat', prompts: ['my pet'] }, ['my pet']],
    [{ label: 'cat', prompts: ['a {}!', 'my pet'], aliases: ['kitty'] }, ['a cat!', 'a kitty!', 'my pet']],
  ])('%j', (label, prompts) => {
    expect(promptsOf(label, TEMPLATES)).toEqual(prompts);
  });

  it('background prompts have no placeholder and are not a template set', () => {
    expect(neutralPrompts().length).toBeGreaterThan(1);
    for (const prompt of neutralPrompts()) expect(prompt).not.toContain('{}');
    expect(() => expandTemplates(['background'])).toThrow(/not a prompt template/);
  });
});
