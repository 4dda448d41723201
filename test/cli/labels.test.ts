import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

const MODEL = ['-m', fixture('tiny-class')];
const LABELS = ['-l', 'cat,dog,house'];
const IMAGES = ['rgb.png', 'odd.jpg', 'grey.jpg', 'tall-strip.png'].map((name) => fixture(`images/${name}`));

interface Row {
  readonly image: string;
  readonly label: string | null;
  readonly score: number;
  readonly reason?: string;
  readonly background?: number;
  readonly labels: readonly { readonly label: string; readonly score: number; readonly reason?: string }[];
  readonly error?: { readonly code: string };
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'labels-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function rows(args: readonly string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await cli([...IMAGES, '-k', 'all', ...MODEL, ...args]);
  expect(code, stderr).toBe(0);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
const sum = (row: Row) => row.labels.reduce((total, { score }) => total + score, 0);
async function file(name: string, content: string): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

describe('labels files', () => {
  it('of all three formats are added to --labels', async () => {
    const files = [
      await file('a.txt', 'dog\n'),
      await file('b.json', '["owl", { "label": "bee", "aliases": ["wasp"] }]'),
      await file('c.csv', 'label,threshold\n"big, red truck",0.5\n'),
    ].flatMap((path) => ['--labels-file', path]);
    const [row] = await rows(['-l', 'cat', ...files]);
    expect(row?.labels.map(({ label }) => label).sort()).toEqual(['bee', 'big, red truck', 'cat', 'dog', 'owl']);
  });

  it('give a label its own prompts and aliases', async () => {
    const scores = async (label: object) => {
      const path = await file('own.json', JSON.stringify(['dog', label]));
      const [row] = await rows(['--labels-file', path]);
      return row?.labels.find((one) => one.label === 'cat')?.score as number;
    };
    const usual = await scores({ label: 'cat' });
    expect(await scores({ label: 'cat', prompts: ['a photo of a {}'] })).toBe(usual);
    expect(await scores({ label: 'cat', prompts: ['a photo of a cat'] })).toBe(usual);
    expect(await scores({ label: 'cat', aliases: ['cat'] })).toBe(usual);
    expect(await scores({ label: 'cat', prompts: ['the cat in a street'] })).not.toBe(usual);
    expect(await scores({ label: 'cat', aliases: ['kitten'] })).not.toBe(usual);
  });

  it('give a label its own threshold', async () => {
    const usual = await rows(LABELS);
    const thresholds = ['cat', 'dog', 'house'].map((label) => ({
      label,
      threshold: label === usual[0]?.label ? 1 : 0,
    }));
    const path = await file('thresholds.json', JSON.stringify(thresholds));
    const [first] = await rows(['--labels-file', path, '--threshold', '1']);
    expect(first).toEqual({ ...usual[0], label: null, reason: 'threshold' });
    const [other] = await rows([
      '--labels-file',
      await file('none.csv', 'label\ncat\ndog\nhouse\n'),
      '--threshold',
      '0',
    ]);
    expect(other).toEqual(usual[0]);
  });
});

describe('an image may have no label', () => {
  it('below --threshold', async () => {
    const usual = await rows(LABELS);
    const limit = usual[0]?.score as number; // of six digits; the others lie far from it
    const found = await rows([...LABELS, '--threshold', String(limit + 1e-4)]);
    expect(found).toEqual(
      usual.map((row) => (row.score > limit + 1e-4 ? row : { ...row, label: null, reason: 'threshold' })),
    );
    expect(found.some(({ label }) => label === null)).toBe(true);
  });

  it('below --min-margin', async () => {
    const usual = await rows(LABELS);
    const margin = ({ labels: [a, b] }: Row) => (a?.score ?? 0) - (b?.score ?? 0);
    const middle = usual.map(margin).sort((a, b) => a - b)[1] as number;
    const found = await rows([...LABELS, '--min-margin', String(middle + 1e-4)]);
    expect(found).toEqual(
      usual.map((row) => (margin(row) > middle + 1e-4 ? row : { ...row, label: null, reason: 'margin' })),
    );
    expect(found.filter(({ reason }) => reason === 'margin')).toHaveLength(2);
  });

  it('with --none, if the background has the best score', async () => {
    const usual = await rows(LABELS);
    for (const [n, row] of (await rows([...LABELS, '--none'])).entries()) {
      expect(sum(row) + (row.background ?? Number.NaN)).toBeCloseTo(1, 5); // six digits of four numbers
      const first = (row.background as number) > (row.labels[0]?.score as number);
      expect([row.label, row.reason]).toEqual(first ? [null, 'none'] : [usual[n]?.label, undefined]);
      expect(row.labels.map(({ label }) => label)).toEqual(usual[n]?.labels.map(({ label }) => label));
    }
  });

  it('with --none-prompt, which may equal the prompt of a label', async () => {
    const [row] = await rows([...LABELS, '--none-prompt', 'a photo of a cat', '--none-prompt', 'fog']);
    expect(row?.background).toBeGreaterThanOrEqual(row?.labels.find(({ label }) => label === 'cat')?.score as number);
    const [both] = await rows([...LABELS, '--none', '--none-prompt', 'fog']);
    expect(sum(both as Row)).toBeLessThan(1 - (both?.background as number));
  });

  it('and -f label then prints an empty line', async () => {
    const { code, stdout } = await cli([IMAGES[0] as string, ...LABELS, ...MODEL, '--threshold', '1', '-f', 'label']);
    expect([code, stdout]).toEqual([0, '\n']);
  });

  it('and the table then says why', async () => {
    const { stdout } = await cli([IMAGES[0] as string, ...LABELS, ...MODEL, '--threshold', '1', '-f', 'table']);
    expect(stdout).toContain('no label: the best score, ');
  });
});

describe('--multi-label', () => {
  it('scores each label independently, and marks labels below their threshold', async () => {
    const found = await rows([...LABELS, '--multi-label']);
    for (const row of found) {
      for (const { score, reason } of row.labels) expect(reason).toBe(score < 0.5 ? 'threshold' : undefined);
      const first = row.labels.find(({ reason }) => reason === undefined);
      expect([row.label, row.reason]).toEqual(first ? [first.label, undefined] : [null, 'threshold']);
      expect(row).not.toHaveProperty('background');
    }
    const [one] = await rows(['-l', 'cat', '--multi-label']);
    const same = found[0]?.labels.find(({ label }) => label === 'cat')?.score;
    expect(one?.labels[0]?.score).toBeCloseTo(same as number, 5);
  });

  it('lists every accepted label, even beyond --top', async () => {
    const args = [IMAGES[0] as string, ...LABELS, ...MODEL, '--multi-label', '-k', '1'];
    const count = async (threshold: string) =>
      JSON.parse((await cli([...args, '--threshold', threshold])).stdout).labels.length as number;
    expect([await count('0'), await count('1')]).toEqual([3, 1]);
  });
});

describe('--match', () => {
  it('writes the paths of images with one label, one per line or with NUL', async () => {
    const usual = await rows(LABELS);
    const label = usual[0]?.label as string;
    const expected = usual.filter((row) => row.label === label).map(({ image }) => image);
    const args = [...IMAGES, ...LABELS, ...MODEL, '--match', ` ${label.toUpperCase()} `];
    expect(await cli(args)).toMatchObject({ code: 0, stdout: expected.map((path) => `${path}\n`).join('') });
    expect((await cli([...args, '--print0'])).stdout).toBe(expected.map((path) => `${path}\0`).join(''));
    expect((await cli([...args, '--threshold', '1'])).stdout).toBe('');
    const path = join(folder, 'paths.txt');
    expect(await cli([...args, '-o', path])).toMatchObject({ code: 0, stdout: '' });
    expect(await readFile(path, 'utf8')).toBe(expected.map((one) => `${one}\n`).join(''));
  });

  it('prints images that failed on standard error, one per line', async () => {
    const bad = join(folder, 'nothing.jpg');
    const { code, stdout, stderr } = await cli([bad, ...LABELS, ...MODEL, '--match', 'cat']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(`clip-classify: error: E_NOT_FOUND: ${bad} does not exist; check the path\n`);
  });
});

it('--fail-fast stops after the row of the first image that failed', async () => {
  const args = [IMAGES[0] as string, join(folder, 'nothing.jpg'), ...IMAGES.slice(1), ...LABELS, ...MODEL];
  const { code, stdout, stderr } = await cli([...args, '--fail-fast']);
  const codes = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).error?.code ?? 'ok');
  expect([code, codes, stderr]).toEqual([1, ['ok', 'E_NOT_FOUND'], '1 ok, 1 failed\n']);
  expect((await cli([...IMAGES, ...LABELS, ...MODEL, '--fail-fast'])).code).toBe(0);
});

describe('warnings', () => {
  it('about nearly identical labels, once', async () => {
    const { code, stderr } = await cli([IMAGES[0] as string, '-l', 'red cat,the red cat,dog,dogs', ...MODEL]);
    expect(code).toBe(0);
    const message =
      'these labels are nearly identical, so they split one score: "red cat" and "the red cat", "dog" and "dogs"';
    expect(stderr).toBe(
      `clip-classify: warning: ${message}; keep one of each pair and make the other its alias in a labels file\n`,
    );
  });

  it('about a single label, unless there is a background', async () => {
    const args = [IMAGES[0] as string, '-l', 'cat', ...MODEL];
    expect((await cli(args)).stderr).toContain(
      'warning: "cat" is the only label, so every image gets score 1; add labels or --background',
    );
    expect((await cli([...args, '--none'])).stderr).toBe('');
    expect((await cli([...args, '--multi-label'])).stderr).toBe('');
  });
});

describe('wrong usage ends with exit code 2 and one line', () => {
  it.each([
    [['--threshold', '1.5'], /E_USAGE: .*--threshold.*use a number from 0 to 1/],
    [['--threshold', 'high'], /E_USAGE: .*--threshold.*use a number/],
    [['--min-margin', '-1'], /E_USAGE: .*--min-margin/],
    [['--min-margin', '0.1', '--multi-label'], /E_USAGE: --min-margin does not work with --multi-label/],
    [['--none-prompt', ' '], /E_LABELS: a background prompt is empty/],
    [['--match', 'fox'], /E_LABELS: --match "fox" is not one of the labels/],
    [['--match', 'cat', '-f', 'csv'], /E_USAGE: --match writes paths, not csv; remove --format/],
    [['--match', 'cat', '--resume', '-o', 'x.jsonl'], /E_USAGE: --match writes paths, not rows; remove --resume/],
    [['--print0'], /E_USAGE: --print0 needs --match/],
    [['-f', 'label', '--print0'], /E_USAGE: --print0 needs --match/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli([IMAGES[0] as string, ...LABELS, ...MODEL, ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it('a labels file: the error has its name and line', async () => {
    const path = await file('bad.csv', 'label,threshold\ncat,0.5\ndog,2\n');
    const { code, stderr } = await cli([IMAGES[0] as string, '--labels-file', path, ...MODEL]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`E_LABELS: ${path}, line 3: the threshold of label "dog" is 2`),
    ]);
  });
});

describe('label sets', () => {
  it('are used like labels, with their own templates unless --template is given', async () => {
    const own = await rows(['-l', '@pets']);
    expect(own[0]?.labels).toHaveLength(37);
    const given = await rows(['-l', '@pets', '-t', 'a photo of a {}, a type of pet.']);
    expect(given.map(({ labels }) => labels)).toEqual(own.map(({ labels }) => labels));
    const about = await rows(['-l', '@pets', '-t', 'a photo of a {}.', '--about', 'pet']);
    expect(about).toEqual(own);
  });

  it('rank one level, and are combined with other labels', async () => {
    const [row] = await rows(['-l', '@pets,house', '--level', '1']);
    expect(row?.labels.map(({ label }) => label).sort()).toEqual(['cat', 'dog', 'house']);
  });

  it('are listed and shown; shown as JSON, a set is a labels file', async () => {
    const { stdout } = await cli(['labels', 'list']);
    expect(stdout).toMatch(/@photos +1\d\d +\d+ +MIT/u);
    const file = join(folder, 'pets.json');
    await writeFile(file, (await cli(['labels', 'show', 'pets', '-f', 'json'])).stdout);
    const template = ['-t', 'a photo of a {}, a type of pet.'];
    expect(await rows(['--labels-file', file, ...template])).toEqual(await rows(['-l', '@pets', ...template]));
    expect((await cli(['labels', 'show', 'nothing'])).stderr).toContain('E_LABELS: there is no label set nothing');
  });

  it('lint: problems are named with a better label, and the exit code is 1', async () => {
    const odd = await cli(['labels', 'lint', '-l', 'a dog,poodle,sofas,sofa,no animal', '--quiet', ...MODEL]);
    expect(odd.code).toBe(1);
    const rules = odd.stdout.trimEnd().split('\n');
    expect(rules.map((line) => JSON.parse(line).rule).sort()).toEqual(['duplicate', 'negation', 'parent', 'template']);
    const fine = await cli(['labels', 'lint', '-l', 'beagle,wooden chair', '--quiet', ...MODEL]);
    expect([fine.code, fine.stdout]).toEqual([0, '']);
  });
});
