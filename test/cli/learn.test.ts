import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { completeDecode } from '../../src/image/decode-options.ts';
import { fitImage, normalize } from '../../src/image/preprocess.ts';
import { describeModel } from '../../src/model/describe.ts';
import { openSession } from '../../src/model/session.ts';
import { OutputLock } from '../../src/output/output-lock.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

const MODEL = ['-m', fixture('tiny-class')];
const IMAGES = {
  cat: ['rgb.png', 'grey.png', 'page.tiff', 'frame.gif'],
  dog: ['odd.jpg', 'palette.png', 'lossless.webp', 'turned.jpg'],
};

let folder: string;
let root: string;
const inFolder = (name: string) => join(folder, name);
async function fill(place: string, classes: Readonly<Record<string, readonly string[]>>): Promise<string> {
  for (const [label, names] of Object.entries(classes)) {
    await mkdir(join(place, label), { recursive: true });
    for (const name of names) await copyFile(fixture(`images/${name}`), join(place, label, name));
  }
  return place;
}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'learn-'));
  root = await fill(inFolder('photos'), IMAGES);
});
afterAll(() => rm(folder, { recursive: true }));

const learn = (...args: string[]) => cli(['learn', ...args, ...MODEL]);
const classify = async (...args: string[]) => {
  const { stdout, stderr } = await cli([...args, '-f', 'jsonl', ...MODEL]);
  if (stdout === '') throw new Error(stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
};

describe('clip-classify learn', () => {
  it('writes a file that classify and eval accept as labels', async () => {
    const file = inFolder('kinds.clf.json');
    const { code, stdout } = await learn(root, '-o', file, '--force');
    expect([code, stdout]).toEqual([0, expect.stringContaining(`wrote ${file}`)]);
    expect(stdout).toMatch(/zero-shot [\d.]+ %, learned [\d.]+ % ± [\d.]+ \(leave-one-out, \d images\)/);
    const [row] = await classify(join(root, 'cat', 'rgb.png'), '-l', `@${file}`);
    expect(row.labels.map(({ label }: { label: string }) => label).sort()).toEqual(['cat', 'dog']);
    expect(row.labels[0].score + row.labels[1].score).toBeCloseTo(1, 5);
    const { stdout: figures } = await cli(['eval', root, '-l', `@${file}`, '-f', 'json', ...MODEL]);
    expect(JSON.parse(figures)).toMatchObject({ labels: ['cat', 'dog'], images: 8, templates: ['a photo of a {}'] });
  });

  it('writes a file that sort and tag accept as labels', async () => {
    const file = inFolder('shelf.clf.json');
    await learn(root, '-o', file, '--force');
    const images = join(root, 'cat');
    const expected = (await classify(images, '-l', `@${file}`)).map((row) => row.label);
    const lines = ({ stdout }: { stdout: string }) =>
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    const plan = await cli(['sort', images, '-l', `@${file}`, '--to', inFolder('sorted'), '-f', 'jsonl', ...MODEL]);
    const byPlace = lines(plan).sort((a, b) => (a.from < b.from ? -1 : 1));
    expect(byPlace.map(({ label }) => label)).toEqual(expected);
    const tags = lines(await cli(['tag', images, '-l', `@${file}`, '--dry-run', '-f', 'jsonl', ...MODEL]));
    expect(tags.map(({ added }) => added[0])).toEqual(expected.map((label) => `dc:subject=${label}`));
  });

  it('with --no-text distinguishes classes with meaningless names', async () => {
    const file = inFolder('codes.clf.json');
    const codes = await fill(inFolder('codes'), { A1: IMAGES.cat, A2: IMAGES.dog });
    await learn(codes, '--no-text', '-o', file, '--force');
    expect(JSON.parse(await readFile(file, 'utf8')).weights.words).toBe(0);
    const { stderr } = await cli([root, '-l', `@${file}`, '--none', ...MODEL]);
    expect(stderr).toMatch(/a background class needs words, and this classifier was learned without text/);
  });

  it('adds images and classes without the old images, and removes classes', async () => {
    const [old, whole] = [inFolder('old.clf.json'), inFolder('whole.clf.json')];
    await learn(await fill(inFolder('first'), { cat: IMAGES.cat.slice(0, 2), dog: IMAGES.dog }), '-o', old, '--force');
    const more = await fill(inFolder('more'), { cat: IMAGES.cat.slice(2), elk: ['bilevel.png', 'rgba.png'] });
    const added = await learn(old, '--add', more, '-o', whole, '--force');
    expect(added.code).toBe(0);
    const counts = JSON.parse(await readFile(whole, 'utf8')).labels.map((one: { label: string; pictures: number }) => [
      one.label,
      one.pictures,
    ]);
    expect(counts).toEqual([
      ['cat', 4],
      ['dog', 4],
      ['elk', 2],
    ]);
    expect((await learn(whole, '--remove', 'dog')).code).toBe(0);
    const [row] = await classify(join(root, 'cat', 'rgb.png'), '-l', `@${whole}`);
    expect(row.labels.map(({ label }: { label: string }) => label).sort()).toEqual(['cat', 'elk']);
    expect((await learn(whole, '--remove', 'gnu')).stderr).toMatch(/has no class "gnu"; use one of "cat", "elk"/);
  });

  it('is refused in one line while another run changes the same classifier', async () => {
    const file = inFolder('shared.clf.json');
    await learn(root, '-o', file, '--force');
    const before = await readFile(file, 'utf8');
    const other = await OutputLock.take(file);
    const { code, stderr } = await learn(file, '--remove', 'dog');
    await other.release();
    expect(code).toBe(2);
    expect(stderr).toMatch(/^clip-classify: error: E_OUTPUT: another run is writing .*; wait until [^\n]*\n$/u);
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  it('exports graphs that give the scores of classify', async () => {
    const [file, head, whole] = [inFolder('graph.clf.json'), inFolder('head.onnx'), inFolder('whole.onnx')];
    expect((await learn(root, '-o', file, '--export', head, '--export', whole, '--force')).code).toBe(0);
    const image = fixture('images/exact.png');
    const [row] = await classify(image, '-l', `@${file}`);
    const scores = new Map(row.labels.map(({ label, score }: { label: string; score: number }) => [label, score]));
    const bytes = await decode(await readFile(image), image, completeDecode({}), 32);
    const { preprocessing } = await describeModel(fixture('tiny-class'));
    const { size } = preprocessing;
    const pixels = normalize(fitImage(bytes, preprocessing), preprocessing);
    const machine = { threads: 1, provider: 'cpu', device: 0 };
    const all = await openSession({ path: whole }, machine);
    const feed = { type: 'float32', data: pixels, shape: [1, 3, size, size] } as const;
    const [embedding, fromPixels] = await all.run({ pixel_values: feed }, ['image_embeds', 'probabilities']);
    const embeds = {
      type: 'float32',
      data: embedding?.data ?? new Float32Array(),
      shape: [1, embedding?.columns ?? 0],
    } as const;
    const last = await openSession({ path: head }, machine);
    const [fromEmbedding] = await last.run({ image_embeds: embeds }, ['probabilities']);
    await all.release();
    await last.release();
    // float32 in another order of sums
    for (const probabilities of [fromPixels, fromEmbedding])
      for (const [c, label] of ['cat', 'dog'].entries())
        expect(Math.abs((probabilities?.data[c] ?? Number.NaN) - Number(scores.get(label)))).toBeLessThan(1e-5);
    expect((await learn(file, '--export', inFolder('other.onnx'))).stderr).toMatch(
      /name the file head.onnx or whole.onnx/,
    );
  });

  it('warns about odd examples', async () => {
    const odd = await fill(inFolder('odd'), { cat: ['rgb.png'], dog: ['rgb.png', 'odd.jpg'] });
    await mkdir(join(odd, 'elk'), { recursive: true });
    await writeFile(join(odd, 'dog', 'broken.png'), 'not an image');
    const { code, stderr } = await learn(odd, '-o', inFolder('odd.clf.json'), '--force');
    expect(code).toBe(1);
    expect(stderr).toMatch(/the folder elk contains no images, so it is not a class/);
    expect(stderr).toMatch(/"cat": only 1 image/);
    expect(stderr).toMatch(/cat\/rgb.png and .*dog\/rgb.png are the same image in two classes/);
    expect(stderr).toMatch(/E_FORMAT/);
  });

  it('refuses a classifier of another model, a damaged file, and options that do not fit', async () => {
    const file = inFolder('tiny.clf.json');
    await learn(root, '-o', file, '--force');
    const other = await cli([root, '-l', `@${file}`, '-m', fixture('tiny-open-clip')]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/E_MODEL: the classifier was learned with/)]);
    await writeFile(inFolder('cut.clf.json'), (await readFile(file, 'utf8')).slice(0, 500));
    const cut = await cli([root, '-l', `@${inFolder('cut.clf.json')}`, ...MODEL]);
    expect([cut.code, cut.stderr]).toEqual([2, expect.stringMatching(/E_LABELS: .* is not a learned classifier/)]);
    expect((await cli([root, '-l', `@${file},elk`, ...MODEL])).stderr).toMatch(/is a whole classifier/);
    expect((await cli([root, '-l', `@${file}`, '-t', 'a {}', ...MODEL])).stderr).toMatch(/has its own templates/);
    expect((await learn(root)).stderr).toMatch(/learn needs a file to write to/);
    expect((await learn(root, '-o', inFolder('x.json'))).stderr).toMatch(/use .*x.clf.json/);
    expect((await learn(root, '--add', root, '-o', file)).stderr).toMatch(/put the classifier first/);
  });

  it('refuses to write a classifier that is worse than words, unless it is forced', async () => {
    // The labels are those of the words, so pictures can only make it worse.
    const truth = inFolder('truth.csv');
    const names = [...IMAGES.cat, ...IMAGES.dog].map((name) => fixture(`images/${name}`));
    const rows = await classify(...names, '-l', 'cat,dog,elk,fox');
    await writeFile(truth, `path,label\n${rows.map((row) => `${row.image},${row.label}`).join('\n')}\n`);
    const file = inFolder('worse.clf.json');
    const { code, stderr, stdout } = await learn(truth, '-o', file);
    if (code === 0) return expect(stdout).toMatch(/learned 100.0 %/);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/learning does not help: words alone are right for 100/)]);
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    expect((await learn(truth, '-o', file, '--force')).code).toBe(0);
  });
});
