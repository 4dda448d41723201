import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

const MODEL = ['-m', fixture('tiny-class')];
const IMAGES = ['rgb.png', 'odd.jpg', 'grey.png', 'palette.png', 'page.tiff', 'lossless.webp'];

let folder: string;
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eval-'));
  root = join(folder, 'data');
  for (const [n, name] of IMAGES.entries()) {
    const place = join(root, n % 2 === 0 ? 'cat' : 'dog', n < 4 ? '' : 'deeper');
    await mkdir(place, { recursive: true });
    await copyFile(fixture(`images/${name}`), join(place, name));
  }
  await writeFile(join(root, 'dog', 'notes.txt'), 'no image');
});
afterAll(() => rm(folder, { recursive: true }));

const evaluate = async (...args: string[]) => {
  const { code, stdout, stderr } = await cli(['eval', ...args, ...MODEL]);
  if (stdout === '') throw new Error(stderr);
  return { code, stderr, figures: JSON.parse(stdout) };
};
const csv = async (name: string, text: string) => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

describe('clip-classify eval', () => {
  it('compares the folder of each class with the rows of classify for its images', async () => {
    const { code, stderr, figures } = await evaluate(root);
    // The TIFF and the WebP hold the same pixels.
    const twice = 'the same picture has two labels: cat/deeper/page.tiff (cat) and dog/deeper/lossless.webp (dog)';
    const warning = `clip-classify: warning: ${twice}; remove one of each pair\n`;
    expect([code, stderr]).toEqual([0, `${warning}6 ok, 0 failed\n`]);
    const paths = [
      'cat/deeper/page.tiff',
      'cat/grey.png',
      'cat/rgb.png',
      'dog/deeper/lossless.webp',
      'dog/odd.jpg',
      'dog/palette.png',
    ];
    const labels = ['-l', 'cat,dog', '-f', 'label', ...MODEL];
    const { stdout } = await cli([...paths.map((path) => join(root, path)), ...labels]);
    const said = stdout.trimEnd().split('\n');
    const right = said.filter((label, n) => paths[n]?.startsWith(label)).length;
    expect(figures).toMatchObject({
      model: 'tiny-class',
      provider: 'cpu',
      dtype: 'fp32',
      templates: ['a photo of a {}'],
      truth: root,
      labels: ['cat', 'dog'],
      images: 6,
      failed: 0,
      top5: 1,
      failures: [],
    });
    expect(figures.top1).toBeCloseTo(right / 6, 5);
    const count = (truth: string, predicted: string) =>
      said.filter((label, n) => label === predicted && paths[n]?.startsWith(truth)).length;
    for (const { truth, predicted, images } of figures.confusion) expect(images).toBe(count(truth, predicted));
    expect(figures.imagesPerSecond).toBeCloseTo(6 / figures.seconds, 1);
  });

  it('gives the same figures for a CSV, whose paths are relative to it', async () => {
    const lines = IMAGES.map(
      (name, n) =>
        `${n},"data/${n % 2 === 0 ? 'cat' : 'dog'}/${n < 4 ? '' : 'deeper/'}${name}", ${n % 2 === 0 ? 'cat' : 'dog'}`,
    );
    // A byte-order mark, CRLF, quotes, white space around a label, a column too many, a blank line.
    const file = await csv('truth.csv', `\uFEFFn,path,label\r\n${lines.join('\r\n')}\r\n\r\n`);
    const same = ({ top1, meanPerClassRecall, ece, classes, confusion, bins }: Record<string, unknown>) => ({
      top1,
      meanPerClassRecall,
      ece,
      classes,
      confusion,
      bins,
    });
    const { code, figures } = await evaluate(file);
    expect(code).toBe(0);
    expect(same(figures)).toEqual(same((await evaluate(root)).figures));
  });

  it('reads paths with commas, quotes and line breaks from a CSV, and absolute paths', async () => {
    const odd = 'a, "b"\nc.png';
    await copyFile(fixture('images/rgb.png'), join(folder, odd));
    const file = await csv(
      'odd.csv',
      `label,path\ncat,"${odd.replaceAll('"', '""')}"\ndog,${fixture('images/rgb.png')}\n`,
    );
    expect(await evaluate(file)).toMatchObject({ code: 0, figures: { images: 2, failed: 0 } });
  });

  it('counts and names failures, with exit code 1', async () => {
    const file = await csv(
      'broken.csv',
      `path,label\n${fixture('images/rgb.png')},cat\nnothing.png,dog\nbroken.csv,cat\n`,
    );
    const { code, stderr, figures } = await evaluate(file);
    expect([code, stderr]).toEqual([1, '1 ok, 2 failed\n']);
    expect(figures).toMatchObject({ images: 1, failed: 2 });
    expect(figures.failures).toEqual([
      {
        image: join(folder, 'nothing.png'),
        truth: 'dog',
        code: 'E_NOT_FOUND',
        message: expect.stringContaining('does not exist'),
      },
      {
        image: join(folder, 'broken.csv'),
        truth: 'cat',
        code: 'E_FORMAT',
        message: expect.stringContaining('is a text file'),
      },
    ]);
    const table = await cli(['eval', file, ...MODEL, '-f', 'table']);
    expect(table.stdout).toContain(`E_NOT_FOUND: ${join(folder, 'nothing.png')} does not exist`);
  });

  it('draws a table on a terminal', async () => {
    const { stdout } = await cli(['eval', root, ...MODEL, '--quiet'], { tty: true, env: { NO_COLOR: '1' } });
    expect(stdout).toMatch(/^top-1 +[\d.]+ % +95 % interval [\d.]+ to [\d.]+ %, chance 50.0 %\n/);
    expect(stdout).toMatch(/\ncat +3 +[\d.]+ % +[\d.–]+/);
    expect(stdout).not.toContain('\x1b');
    expect((await cli(['eval', root, ...MODEL], { tty: true })).stdout).toContain('\x1b[');
  });

  it('ranks more labels than there are classes, and ignores letter case', async () => {
    const { code, figures } = await evaluate(root, '-l', 'Dog,bird,Cat');
    expect(code).toBe(0);
    expect(figures.labels).toEqual(['Dog', 'bird', 'Cat']);
    const counts = figures.classes.map(({ label, images }: { label: string; images: number }) => [label, images]);
    expect(counts).toEqual([
      ['Dog', 3],
      ['bird', 0],
      ['Cat', 3],
    ]);
  });

  it('finds a class by an alias of its label', async () => {
    const file = join(folder, 'words.json');
    await writeFile(file, JSON.stringify(['dog', { label: 'house cat', aliases: ['Cat'] }]));
    const { code, figures } = await evaluate(root, '--labels-file', file);
    expect(code).toBe(0);
    expect(figures.classes.map(({ label, images }: { label: string; images: number }) => [label, images])).toEqual([
      ['dog', 3],
      ['house cat', 3],
    ]);
  });

  it('counts an image without a label as wrong, with the threshold of a label or of an option', async () => {
    const file = join(folder, 'strict.json');
    await writeFile(
      file,
      JSON.stringify([
        { label: 'cat', threshold: 1 },
        { label: 'dog', threshold: 1 },
      ]),
    );
    for (const limits of [
      ['--labels-file', file],
      ['--threshold', '1'],
      ['--min-margin', '1'],
    ]) {
      const { code, figures } = await evaluate(root, ...limits);
      expect([code, figures.refused, figures.top1, figures.precision, figures.mistakes]).toEqual([0, 6, 0, null, []]);
      expect(figures.confusion).toEqual([
        { truth: 'cat', predicted: null, images: 3 },
        { truth: 'dog', predicted: null, images: 3 },
      ]);
    }
    const table = await cli(['eval', root, ...MODEL, '--threshold', '1', '-f', 'table']);
    expect(table.stdout).toMatch(/\nwithout a label +6 +– of the other images are correct\n/);
    expect(table.stdout).toMatch(/\ncat → \(no label\) +3\n/);
    expect((await cli(['eval', root, ...MODEL, '--calibrate', '--none'])).stderr).toMatch(
      /--calibrate chooses the thresholds itself; remove/,
    );
  });

  it('gives no label if the background has the best score, like classify', async () => {
    const { figures } = await evaluate(root, '--none');
    const labels = ['-l', 'cat,dog', '--none', '-f', 'jsonl', ...MODEL];
    const rows = (await cli([join(root, 'cat'), join(root, 'dog'), ...labels])).stdout.trimEnd().split('\n');
    expect(figures.refused).toBe(rows.filter((row) => JSON.parse(row).label === null).length);
  });

  it('reads SVG with --allow-svg', async () => {
    const drawing = join(folder, 'square.svg');
    await writeFile(
      drawing,
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
    );
    const file = await csv('drawings.csv', `path,label\nsquare.svg,cat\n${fixture('images/rgb.png')},dog\n`);
    expect((await evaluate(file)).figures.failed).toBe(1);
    expect((await evaluate(file, '--allow-svg')).figures.failed).toBe(0);
  });

  it('follows links to the folders of classes with --follow', async () => {
    const linked = join(folder, 'linked');
    await mkdir(linked);
    for (const label of ['cat', 'dog']) await symlink(join(root, label), join(linked, label));
    expect((await cli(['eval', linked, ...MODEL])).stderr).toMatch(
      /contains no images; left out: 2 symbolic links .*--follow/,
    );
    expect((await evaluate(linked, '--follow')).figures.images).toBe(6);
  });

  it('skips files that belong to no class, and says so', async () => {
    const beside = join(folder, 'beside');
    await mkdir(join(beside, 'cat'), { recursive: true });
    await mkdir(join(beside, 'dog')); // without images, so it is not a class
    await copyFile(fixture('images/rgb.png'), join(beside, 'cat', 'a.png'));
    await copyFile(fixture('images/rgb.png'), join(beside, 'b.png'));
    await writeFile(join(beside, 'cat', 'notes.txt'), '');
    const { code, stderr, figures } = await evaluate(beside, '--verbose');
    expect([code, figures.images, figures.labels]).toEqual([0, 1, ['cat']]);
    expect(stderr).toContain('the folder dog contains no images, so it is not a class');
    expect(stderr).toContain('warning: skipped 1 image that is not in the folder of a class');
    expect(stderr).toContain('skipped 1 file:');
  });

  it('writes several files, each in the format of its extension, with the same figures', async () => {
    const [json, page] = [join(folder, 'report.json'), join(folder, 'report.html')];
    const { code, figures } = await evaluate(root, '-o', json, '-o', page);
    expect(code).toBe(0);
    expect(JSON.parse(await readFile(json, 'utf8'))).toEqual(figures);
    expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>/);
  });
});

describe('eval --calibrate', () => {
  it('suggests thresholds as a table, as JSON and as a labels file', async () => {
    const file = join(folder, 'labels.json');
    const { code, figures } = await evaluate(root, '--calibrate', '--precision', '0.6', '-o', file);
    expect(code).toBe(0);
    expect(figures).toMatchObject({ model: 'tiny-class', target: 0.6, images: 6, failed: 0 });
    expect(figures.threshold.chosenOn.images + figures.threshold.triedOn.images).toBe(6);
    const labels = JSON.parse(await readFile(file, 'utf8'));
    expect(labels.map(({ label }: { label: string }) => label)).toEqual(['cat', 'dog']);
    for (const { threshold } of labels) expect(threshold >= 0 && threshold <= 1).toBe(true);
    const table = await cli(['eval', root, ...MODEL, '--calibrate', '-f', 'table']);
    expect(table.stdout).toMatch(
      /^thresholds for a precision of 95\.0 %, chosen on \d images \(calibration split\), measured on the other \d/,
    );
    expect(table.stdout).toMatch(/\n--threshold +\S+/);
    expect(table.stdout).toMatch(/\n--min-margin +\S+/);
  });

  it('keeps prompts and aliases in the labels file that it writes, which classify reads', async () => {
    const [given, written] = [join(folder, 'given.json'), join(folder, 'written.json')];
    const labels = [{ label: 'cat', prompts: ['a {}'], aliases: ['kitten'] }, { label: 'dog' }];
    await writeFile(given, JSON.stringify(labels));
    await evaluate(root, '--calibrate', '--labels-file', given, '-o', written);
    const proposed = JSON.parse(await readFile(written, 'utf8'));
    expect(proposed).toEqual(labels.map((label) => ({ ...label, threshold: expect.any(Number) })));
    expect((await cli([join(root, 'cat/rgb.png'), '--labels-file', written, ...MODEL])).code).toBe(0);
  });

  it('splits the images in the same way in every folder', async () => {
    const elsewhere = join(folder, 'elsewhere');
    for (const [n, name] of IMAGES.entries()) {
      const place = join(elsewhere, n % 2 === 0 ? 'cat' : 'dog', n < 4 ? '' : 'deeper');
      await mkdir(place, { recursive: true });
      await copyFile(fixture(`images/${name}`), join(place, name));
    }
    const [here, there] = [await evaluate(root, '--calibrate'), await evaluate(`${elsewhere}/`, '--calibrate')];
    expect({ ...there.figures, truth: '' }).toEqual({ ...here.figures, truth: '' });
  });
});

describe('eval refuses with exit code 2 and one line', () => {
  it.each<[string, (() => Promise<string[]>) | string[], RegExp]>([
    ['nothing to evaluate', [], /E_USAGE: <folder\|truth.csv> is missing/],
    ['a device', ['/dev/null'], /E_USAGE: \/dev\/null is not a folder and not a regular file/],
    [
      'no such folder',
      ['/nothing'],
      /E_USAGE: cannot read \/nothing: no such file or folder; .*a CSV file with the columns path and label/,
    ],
    ['a folder without classes', async () => [fixture('images')], /E_USAGE: .* contains no classes/],
    [
      'a CSV without the columns',
      async () => [await csv('x.csv', 'file,class\na,b\n')],
      /the header of .* is "file,class"; the header must have the columns path and label/,
    ],
    ['an empty CSV', async () => [await csv('x.csv', '')], /contains no classes/],
    [
      'a line without a label',
      async () => [await csv('x.csv', 'path,label\na.png,cat\nb.png,\n')],
      /line 3 of .* has no label/,
    ],
    [
      'a line with too few columns',
      async () => [await csv('x.csv', 'path,label\na.png\n')],
      /is not a valid CSV file \(RFC 4180\): .*line 2/,
    ],
    [
      'an open quote',
      async () => [await csv('x.csv', 'path,label\n"a.png,cat\n')],
      /is not a valid CSV file \(RFC 4180\)/,
    ],
    [
      'classes that are not among the labels',
      async () => [root, '-l', 'cat,bird'],
      /E_LABELS: these classes are missing from the labels: "dog"; add them/,
    ],
    [
      'one class in two spellings',
      async () => [await csv('x.csv', 'path,label\na.png,cat\nb.png,Cat\n')],
      /E_LABELS: "Cat" and "cat" are the same label/,
    ],
    ['another format', async () => [root, '-f', 'csv'], /E_USAGE: .*table, json/],
    [
      'another file',
      async () => [root, '-o', 'out.txt'],
      /E_USAGE: cannot tell the format from the extension of out.txt; use a name that ends in .html, .json or .csv/,
    ],
    ['a page of thresholds', async () => [root, '--calibrate', '-o', 'out.html'], /use a name that ends in .json/],
    ['a precision for nothing', async () => [root, '--precision', '0.9'], /--precision needs --calibrate/],
    [
      'a precision that cannot be',
      async () => [root, '--calibrate', '--precision', '95'],
      /use a number above 0 and at most 1/,
    ],
    [
      'an output in no folder',
      async () => [root, '-o', '/nothing/out.json'],
      /E_OUTPUT: cannot write \/nothing\/out.json/,
    ],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await cli(['eval', ...(Array.isArray(args) ? args : await args()), ...MODEL]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it('classes without images', async () => {
    await mkdir(join(folder, 'hollow/cat'), { recursive: true });
    await mkdir(join(folder, 'hollow/dog'));
    const { code, stderr } = await cli(['eval', join(folder, 'hollow'), ...MODEL]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_USAGE: .*(contains no images|matches no file)/)]);
  });
});
