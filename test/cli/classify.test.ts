import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

const MODEL = ['-m', fixture('tiny-class')];
const LABELS = ['-l', 'cat,dog'];
const image = (name: string) => fixture(`images/${name}`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'classify-'));
});
afterAll(() => rm(folder, { recursive: true }));
const rows = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('clip-classify', () => {
  it('ranks labels for an image, as jsonl if standard output is not a terminal', async () => {
    const { code, stdout, stderr } = await cli([image('rgb.png'), ...LABELS, ...MODEL]);
    expect([code, stderr]).toEqual([0, '']);
    const [row] = rows(stdout);
    expect(row).toMatchObject({ image: image('rgb.png'), model: 'tiny-class' });
    expect(row.labels.map(({ label }: { label: string }) => label).sort()).toEqual(['cat', 'dog']);
    expect(row.label).toBe(row.labels[0].label);
  });

  it('draws a table on a terminal, with colours unless NO_COLOR is set', async () => {
    const terminal = await cli([image('rgb.png'), ...LABELS, ...MODEL], { tty: true });
    expect(terminal.stdout).toContain('█');
    expect(terminal.stdout).toContain('\x1b[');
    const plain = await cli([image('rgb.png'), ...LABELS, ...MODEL], { tty: true, env: { NO_COLOR: '1' } });
    expect(plain.stdout).toContain('█');
    expect(plain.stdout).not.toContain('\x1b[');
  });

  it('may be called by the name of its command', async () => {
    const short = await cli([image('rgb.png'), ...LABELS, ...MODEL]);
    expect(await cli(['classify', image('rgb.png'), ...LABELS, ...MODEL])).toEqual(short);
  });

  it('classifies an image whose name is a command if its path is given', async () => {
    await writeFile(join(folder, 'models'), await readFile(image('rgb.png')));
    const { code } = await cli([join(folder, 'models'), ...LABELS, ...MODEL]);
    expect(code).toBe(0);
  });

  it('uses labels from options and files together', async () => {
    await writeFile(join(folder, 'labels.txt'), '\uFEFF# animals\r\nbird\r\n\r\nbig, red truck\r\n');
    const args = [
      image('rgb.png'),
      '-l',
      'cat',
      '-l',
      'dog\\, wet',
      '--labels-file',
      join(folder, 'labels.txt'),
      '-k',
      'all',
      ...MODEL,
    ];
    const [row] = rows((await cli(args)).stdout);
    const labels = row.labels.map(({ label }: { label: string }) => label);
    expect(labels.sort()).toEqual(['big, red truck', 'bird', 'cat', 'dog, wet']);
  });

  it('has an error row for each bad image, continues, and ends with 1', async () => {
    await writeFile(join(folder, 'empty.jpg'), '');
    await writeFile(join(folder, 'text.jpg'), 'hello');
    await writeFile(join(folder, 'cut.png'), (await readFile(image('rgb.png'))).subarray(0, 3000));
    const bad = ['nothing.jpg', 'empty.jpg', 'text.jpg', 'cut.png'].map((name) => join(folder, name));
    const { code, stdout, stderr } = await cli([image('rgb.png'), ...bad, image('odd.jpg'), ...LABELS, ...MODEL]);
    expect(code).toBe(1);
    expect(stderr).toBe('2 ok, 4 failed\n');
    expect(rows(stdout).map((row) => row.error?.code ?? 'ok')).toEqual([
      'ok',
      'E_NOT_FOUND',
      'E_DECODE',
      'E_FORMAT',
      'E_DECODE',
      'ok',
    ]);
  });

  it('ends with 1 if the only image is bad', async () => {
    expect(await cli([join(folder, 'nothing.jpg'), ...LABELS, ...MODEL])).toMatchObject({ code: 1, stderr: '' });
  });

  it('searches folders in byte order, without hidden files, links and other files', async () => {
    const root = join(folder, 'walk');
    await mkdir(join(root, 'a'), { recursive: true });
    await mkdir(join(root, '.hidden'));
    const bytes = await readFile(image('rgb.png'));
    for (const name of ['a.png', 'a/z.PNG', 'B.jpeg', 'notes.txt', '.x.png', '.hidden/y.png'])
      await writeFile(join(root, name), bytes);
    await symlink(root, join(root, 'loop'));
    const { stdout, stderr } = await cli([root, ...LABELS, ...MODEL, '--verbose']);
    expect(rows(stdout).map((row) => row.image)).toEqual(
      ['B.jpeg', 'a.png', 'a/z.PNG'].map((name) => join(root, name)),
    );
    expect(stderr).toContain('left out: 1 symbolic link (read with --follow)');
    expect(stderr).toContain('skipped 1 file:'); // notes.txt
  });

  it.each([
    ['*.{png,jpeg}', ['B.jpeg', 'a.png']],
    ['*/*.PNG', ['a/z.PNG']],
    ['**/[az].*', ['a.png', 'a/z.PNG']],
    ['n*.txt', ['notes.txt']],
  ])('expands the quoted glob %s', async (pattern, expected) => {
    const root = join(folder, 'walk');
    const { stdout } = await cli([`${root}/${pattern}`, ...LABELS, ...MODEL]);
    expect(rows(stdout).map((row) => row.image)).toEqual(expected.map((name) => join(root, name)));
  });

  it('writes paths as given, also through a link', async () => {
    await mkdir(join(folder, 'real/deep'), { recursive: true });
    await mkdir(join(folder, 'real/pics'));
    await writeFile(join(folder, 'real/pics/p.png'), await readFile(image('rgb.png')));
    await symlink(join(folder, 'real/deep'), join(folder, 'link'));
    const { code, stdout } = await cli([`${folder}/link/../pics`, ...LABELS, ...MODEL]);
    expect([code, rows(stdout)[0].image]).toEqual([0, `${folder}/link/../pics/p.png`]);
  });

  it('never shows a control character of a label on the terminal', async () => {
    const { stderr, stdout } = await cli([image('rgb.png'), '-l', 'a\x1b[31m', ...MODEL, '-f', 'label']);
    expect(stderr + stdout).not.toContain('\x1b');
  });

  it('reads a file whose name looks like a glob', async () => {
    await writeFile(join(folder, '[0]*.png'), await readFile(image('rgb.png')));
    const [row] = rows((await cli([join(folder, '[0]*.png'), ...LABELS, ...MODEL])).stdout);
    expect(row.image).toBe(join(folder, '[0]*.png'));
  });

  it('writes a file in the format of its extension', async () => {
    const file = join(folder, 'out.csv');
    expect(await cli([image('rgb.png'), ...LABELS, ...MODEL, '-o', file])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await readFile(file, 'utf8')).toMatch(/^image,rank,label,score,logit,cosine,reason,error\n.*rgb\.png,1,/);
  });

  it('gives the scores of one template or of an ensemble', async () => {
    const score = async (...templates: string[]) => {
      const options = templates.flatMap((template) => ['-t', template]);
      return rows((await cli([image('rgb.png'), ...LABELS, ...MODEL, ...options])).stdout)[0].score as number;
    };
    expect(await score()).toBe(await score('a photo of a <label>'));
    expect(await score('a {}')).not.toBe(await score());
    expect(await score('openai-7')).not.toBe(await score());
  });

  it('shows progress on a terminal after the first batch, and a summary', async () => {
    const many = Array.from({ length: 5 }, () => image('rgb.png'));
    const { stderr } = await cli([...many, ...LABELS, ...MODEL, '--batch', '2'], { tty: true });
    expect(stderr).toMatch(/3(\/5)? images, [\d.]+\/s/);
    expect(stderr).toMatch(/5 ok, 0 failed\n$/);
    expect((await cli([...many, ...LABELS, ...MODEL, '--quiet'], { tty: true })).stderr).toBe('');
  });
});

describe('a run that cannot start ends with exit code 2 and one line', () => {
  it.each([
    [[], /E_LABELS: there are no labels; set --labels, for example cat,dog/],
    [['x.jpg'], /E_LABELS: there are no labels; set --labels, for example cat,dog/],
    [['x.jpg', '-l', 'cat,Cat'], /E_LABELS: "cat" and "Cat" are the same label/],
    [['x.jpg', '-l', 'cat,,dog'], /E_LABELS: label 2 of 3 is empty/],
    [['x.jpg', '--labels-file', 'nothing.txt'], /E_LABELS: cannot read the labels file nothing.txt/],
    [['x.jpg', '--labels-file', '/dev/null'], /E_LABELS: the labels file .* contains no labels/],
    [['x.jpg', ...LABELS, '-t', 'nothing'], /E_LABELS: "nothing" is not a prompt template and not a template set/],
    [['x.jpg', ...LABELS, '--top', '0'], /E_USAGE: .*--top.*whole number/],
    [['x.jpg', ...LABELS, '--batch', 'x'], /E_USAGE: .*--batch/],
    [['x.jpg', ...LABELS, '--format', 'xml'], /E_USAGE: .*jsonl/],
    [['x.jpg', ...LABELS, '--lables', 'x'], /E_USAGE: unknown option --lables; did you mean --labels\?/],
    [['x.jpg', ...LABELS, '-o', 'out.xml'], /E_USAGE: cannot tell the output format from the extension of out.xml/],
    [['x.jpg', ...LABELS, '-o', '/nothing/out.csv'], /E_OUTPUT: cannot write \/nothing\/out.csv/],
    [['x.jpg', ...LABELS, '-m', 'nothing'], /E_MODEL: there is no model or folder called nothing; use starter/],
    [['x.jpg', ...LABELS, '-m', fixture('images')], /E_MODEL: .* contains no model.safetensors and no ONNX files/],
    [[fixture('golden-nothing*'), ...LABELS], /E_USAGE: .*(contains no images|matches no file)/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli(args.includes('-m') ? args : [...args, ...MODEL]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it('an empty folder', async () => {
    await mkdir(join(folder, 'empty'));
    expect(await cli([join(folder, 'empty'), ...LABELS, ...MODEL])).toMatchObject({
      code: 2,
      stderr: /no images found in /,
    });
  });

  it.each(['jpg', 'txt'])('an output that would overwrite what is read (.%s)', async (extension) => {
    const file = join(folder, `precious.${extension}`);
    await writeFile(file, extension === 'txt' ? 'cat\ndog\n' : await readFile(image('odd.jpg')));
    const before = await readFile(file);
    const args = extension === 'txt' ? [image('rgb.png'), '--labels-file', file] : [file, ...LABELS];
    const { code, stderr } = await cli([...args, ...MODEL, '-f', 'csv', '-o', file]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_USAGE: --output .* would overwrite/)]);
    expect(await readFile(file)).toEqual(before);
  });

  it('does not change an existing output file', async () => {
    const file = join(folder, 'kept.csv');
    await writeFile(file, 'precious');
    expect((await cli([image('rgb.png'), '-l', 'cat,cat', ...MODEL, '-o', file])).code).toBe(2);
    expect(await readFile(file, 'utf8')).toBe('precious');
  });
});

describe('--help and --version', () => {
  it('print to standard output and end with 0', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await cli(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/Usage: clip-classify \[classify\] <images...>/);
    expect((await cli(['models', 'import', '--help'])).stdout).toContain('Usage: clip-classify models import');
  });
});
