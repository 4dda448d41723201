import { describe, expect, it } from 'vitest';
import { LabelsError } from '../../src/errors.ts';
import { checkLabels, parseLabelLines, readLabelsFile, splitLabels } from '../../src/text/labels.ts';
import { expandTemplates, fillTemplate, templateSets } from '../../src/text/prompts.ts';
import { fixture, repository } from '../paths.ts';

describe('labels', () => {
  it('are split at commas that are not escaped', () => {
    expect(splitLabels('cat, dog\\, wet,bird')).toEqual(['cat', ' dog, wet', 'bird']);
  });

  it('are trimmed, and otherwise left as they are', () => {
    expect(checkLabels([' cat ', 'Big Dog', 'élan'])).toEqual(['cat', 'Big Dog', 'élan']);
  });

  it('come one a line from a file with a byte-order mark, CRLF, comments and blank lines', () => {
    expect(parseLabelLines('\uFEFFcat\r\n\r\n# a comment\r\ndog # not a comment\n  \nbird')).toEqual([
      'cat',
      'dog # not a comment',
      'bird',
    ]);
  });

  it.each([
    [[], /no labels/],
    [['cat', '  '], /label 2 of 2 is empty/],
    [['cat', 'cat'], /"cat" is there twice/],
    [['cat', 'dog', 'CAT'], /"cat" and "CAT" are the same label/],
  ])('refuses %j', (labels, message) => {
    expect(() => checkLabels(labels)).toThrow(LabelsError);
    expect(() => checkLabels(labels)).toThrow(message);
  });

  it('names a labels file that cannot be read', async () => {
    await expect(readLabelsFile(fixture('images/rgb.png'))).rejects.toThrow(/cannot be read/); // no UTF-8
    await expect(readLabelsFile('labels.json')).rejects.toThrow(/labels.json is not a text file/);
    await expect(readLabelsFile(`${repository}nothing.txt`)).rejects.toThrow(/nothing.txt cannot be read/);
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

  it('expand sets by name, once', () => {
    expect(expandTemplates(['photo', 'a {}', 'a photo of a {}'])).toEqual(['a photo of a {}', 'a {}']);
    expect(expandTemplates(['openai-80'])).toHaveLength(80);
    expect(expandTemplates(['openai-7'])).toHaveLength(7);
    expect(expandTemplates(['none'])).toEqual(['{}']);
  });

  it('all have a placeholder', () => {
    for (const [, templates] of templateSets()) for (const template of templates) expect(template).toContain('{}');
  });

  it('are refused without a placeholder', () => {
    expect(() => expandTemplates(['a photo'])).toThrow(/neither a prompt template nor a template set; .*openai-80/);
  });
});
