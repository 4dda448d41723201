import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LabelsError } from '../../src/errors.ts';
import { readLabelsFile } from '../../src/text/labels-file.ts';
import { fixture, repository } from '../paths.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'labels-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(name: string, content: string | Uint8Array) {
  await writeFile(join(folder, name), content);
  return readLabelsFile(join(folder, name));
}
const plain = (...labels: string[]) => labels.map((label) => ({ label }));

describe('a labels file of lines', () => {
  it.each([
    ['a byte-order mark, comments and blank lines', '\uFEFFcat\n\n# a comment\ndog # not a comment\n  \nbird'],
    ['CRLF', 'cat\r\ndog # not a comment\r\n\r\nbird\r\n'],
    ['CR', 'cat\rdog # not a comment\rbird'],
  ])('may have %s', async (_, text) => {
    expect(await read('l.txt', text)).toEqual(plain('cat', 'dog # not a comment', 'bird'));
  });

  it.each([
    ['cat\n\nCat\n', /l\.txt, line 3: "Cat" is listed twice, in line 1 and here; remove one of them/],
    ['# nothing\n', /l\.txt contains no labels; write one label per line/],
    ['c\0a\0t\0', /l\.txt contains NUL bytes; save the file as UTF-8/],
    [Uint8Array.of(0x63, 0xff, 0x0a), /cannot read .*l\.txt: .*; check the path, and save the file as UTF-8/],
  ])('%j is refused', async (content, message) => {
    await expect(read('l.txt', content)).rejects.toThrow(LabelsError);
    await expect(read('l.txt', content)).rejects.toThrow(message);
  });

  it('is named in the error if it cannot be read', async () => {
    await expect(readLabelsFile(fixture('images/rgb.png'))).rejects.toThrow(/cannot read .*rgb.png/); // no UTF-8
    await expect(readLabelsFile(`${repository}nothing.txt`)).rejects.toThrow(/cannot read .*nothing.txt/);
  });
});

describe('a labels file in JSON', () => {
  it('is an array of strings or objects', async () => {
    const labels = [
      'cat',
      { label: 'dog', prompts: ['a {}'], aliases: ['puppy', 'a|b'], threshold: 0 },
      { label: '\u65e5' },
    ];
    const expected = [{ label: 'cat' }, ...labels.slice(1)];
    expect(await read('l.JSON', `\uFEFF${JSON.stringify(labels)}`)).toEqual(expected);
  });

  it.each([
    ['{"label":"cat"}', /l\.json is not a valid labels file: it is not an array; write/],
    ['["cat"', /l\.json is not a valid labels file: .*JSON/],
    ['[1]', /entry 1 is neither a string nor an object/],
    ['["cat", null]', /entry 2 is neither a string nor an object/],
    ['[["cat"]]', /entry 1 is neither a string nor an object/],
    ['[{"label":"cat","treshold":1}]', /entry 1 has an unknown key, "treshold"/],
    ['[{"name":"cat"}]', /entry 1 has an unknown key, "name"/],
    ['[{"threshold":1}]', /label of entry 1 is not a string/],
    ['[{"label":"cat","threshold":"1"}]', /threshold of entry 1 is not a number/],
    [
      '[{"label":"cat","threshold":2}]',
      /l\.json, entry 1: the threshold of label "cat" is 2; use a number from 0 to 1/,
    ],
    ['[{"label":"cat","prompts":"a {}"}]', /prompts of entry 1 is not an array of strings/],
    ['[{"label":"cat","aliases":[1]}]', /aliases of entry 1 is not an array of strings/],
    ['[{"label":"cat","aliases":[""]}]', /l\.json, entry 1: the label "cat" has an empty prompt or alias/],
    ['["cat", {"label":" CAT "}]', /l\.json, entry 2: "CAT" is listed twice, in entry 1 and here/],
    ['["cat", " "]', /l\.json, entry 2: the label is empty/],
    ['[]', /contains no labels/],
  ])('%s is refused', async (content, message) => {
    await expect(read('l.json', content)).rejects.toThrow(LabelsError);
    await expect(read('l.json', content)).rejects.toThrow(message);
  });
});

describe('a labels file in CSV', () => {
  it('has a header, quotes as in RFC 4180, and bars between the texts of a field', async () => {
    const text =
      '\uFEFFthreshold, label ,aliases,prompts\r\n' +
      '0.5,"big, ""red"" truck",lorry | truck,\r\n' +
      '\r\n' +
      ',"two\nlines",,a {}|a {} \\| b\n' +
      '1,cat,,';
    expect(await read('l.csv', text)).toEqual([
      { label: 'big, "red" truck', aliases: ['lorry ', ' truck'], threshold: 0.5 },
      { label: 'two\nlines', prompts: ['a {}', 'a {} | b'] },
      { label: 'cat', threshold: 1 },
    ]);
  });

  it.each([
    ['name\ncat\n', /l\.csv is not a valid labels file: its header has an unknown column, "name"; write a header/],
    ['cat\ndog\n', /its header has an unknown column, "cat"/],
    ['threshold\n1\n', /its header has no column label/],
    ['label,label\na,b\n', /its header has the column label twice/],
    ['label,threshold\ncat,1\ndog,high\n', /the threshold of line 3 is not a number/],
    ['label,threshold\ncat,-1\n', /l\.csv, line 2: the threshold of label "cat" is -1/],
    ['label,threshold\ncat\n', /l\.csv is not a valid labels file: .*line 2/],
    ['label\n"cat\n', /l\.csv is not a valid labels file: .*line 2/],
    ['label\ncat\ndog\ncat\n', /l\.csv, line 4: "cat" is listed twice, in line 2 and here/],
    ['label,threshold\n,0.5\n', /l\.csv, line 2: the label is empty/],
    ['label,aliases\ncat,a||b\n', /l\.csv, line 2: the label "cat" has an empty prompt or alias/],
    ['label\n', /contains no labels/],
    ['', /contains no labels/],
  ])('%j is refused', async (content, message) => {
    await expect(read('l.csv', content)).rejects.toThrow(LabelsError);
    await expect(read('l.csv', content)).rejects.toThrow(message);
  });
});

it('docs/labels.md shows one file in two forms', async () => {
  const text = await readFile(`${repository}docs/labels.md`, 'utf8');
  const example = (kind: string) => new RegExp(`\`\`\`${kind}\\n([^]*?)\`\`\``, 'u').exec(text)?.[1] ?? '';
  const labels = await read('docs.json', example('json'));
  expect(labels.map(({ label }) => label)).toEqual(['dog', 'cat']);
  expect(await read('docs.csv', example('csv'))).toEqual(labels);
});

it.each(['txt', 'csv', 'json'])('100,000 labels are read and checked in a few seconds (.%s)', async (extension) => {
  const names = Array.from({ length: 100_000 }, (_, n) => `label ${n}`);
  const content = extension === 'json' ? JSON.stringify(names) : ['label', ...names].join('\n');
  const start = performance.now();
  expect(await read(`many.${extension}`, content)).toHaveLength(extension === 'txt' ? 100_001 : 100_000);
  expect(performance.now() - start).toBeLessThan(10_000); // what is quadratic takes minutes
});
