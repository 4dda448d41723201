import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabelsError } from '../../src/errors.ts';
import { labelDoubts } from '../../src/text/label-doubts.ts';
import { checkLabels, splitLabels } from '../../src/text/labels.ts';
import { readLabelsFile } from '../../src/text/labels-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forms-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a labels file', () => {
  it.each([
    ['l.tsv', 'label\tprompts\ncat\t\nrocket\t\n'],
    ['semicolons.csv', 'label;prompts\r\ncat;\r\nrocket;\r\n'],
    ['excel.csv', 'sep=,\r\nlabel\r\ncat\r\nrocket\r\n'],
    ['l.yaml', '# kinds\n- "cat"\n- rocket # fast\n'],
    ['data.yml', 'path: ../set\nnames:\n  0: cat\n  1: rocket\n'],
    ['l.jsonl', '{"label":"cat"}\n"rocket"\n'],
    ['l.ndjson', '"cat"\n"rocket"\n'],
    ['le.txt', Buffer.from('\ufeffcat\r\nrocket\r\n', 'utf16le')],
    ['be.txt', Buffer.from('\ufeffcat\r\nrocket\r\n', 'utf16le').swap16()],
  ])('is read as %s', async (name, content) => {
    await writeFile(join(folder, name), content);
    const labels = await readLabelsFile(join(folder, name));
    expect(labels.map(({ label }) => label)).toEqual(['cat', 'rocket']);
  });
});

describe('labels of the command line', () => {
  it('are also separated by line breaks', () => {
    expect(splitLabels('cat\nrocket\n\nbig dog,bird\n')).toEqual(['cat', 'rocket', 'big dog', 'bird']);
  });

  it.each(['["cat","dog"]', '"cat","dog"', "'cat','dog'", '“cat”,dog'])(
    'are refused in quotes or brackets: %s',
    (list) => {
      expect(() => splitLabels(list)).toThrow(LabelsError);
    },
  );

  it('keep an apostrophe', () => {
    expect(splitLabels("dog's toy,cat")).toEqual(["dog's toy", 'cat']);
  });
});

describe('checked labels', () => {
  it('are the same label in both Unicode normal forms', () => {
    expect(() => checkLabels(['caf\u00e9', 'cafe\u0301'])).toThrow(/are the same label/);
  });

  it.each(['\u200b', '\u200e', '\u00ad', '\u2060', '\ufeff'])('lose or name invisible characters: %j', (character) => {
    expect(checkLabels([`cat${character}`])).toEqual([{ label: 'cat' }]);
    expect(() => checkLabels([`c${character}at`])).toThrow(/invisible character U\+/);
  });

  it.each(['，', '、', '،'])('are doubted if they contain %s', (comma) => {
    expect(labelDoubts([`猫${comma}犬`, '鳥'])).toEqual([expect.stringContaining(comma)]);
  });

  it('cause a warning if they are codes', () => {
    expect(labelDoubts(['n02123045', 'cat'])).toEqual([expect.stringContaining('WordNet')]);
    expect(labelDoubts(['0', '1'])).toEqual([expect.stringContaining('numbers')]);
    expect(labelDoubts(['cat', '747'])).toEqual([]);
  });
});
