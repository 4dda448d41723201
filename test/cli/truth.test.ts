import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'truth-'));
  await copyFile(fixture('images/rgb.png'), join(folder, 'a.png'));
  await copyFile(fixture('images/odd.jpg'), join(folder, 'b.jpg'));
  await copyFile(join(folder, 'a.png'), join(folder, 'copy.png'));
  await symlink('a.png', join(folder, 'link.png'));
});
afterAll(() => rm(folder, { recursive: true }));

const evaluate = async (name: string, ...options: string[]) =>
  cli(['eval', join(folder, name), '-m', fixture('tiny-class'), '-f', 'json', ...options]);
const classes = async (folders: Readonly<Record<string, readonly string[]>>) => {
  const root = await mkdtemp(join(folder, 'set-'));
  for (const [name, images] of Object.entries(folders)) {
    await mkdir(join(root, name), { recursive: true });
    for (const image of images) await copyFile(join(folder, image), join(root, name, image));
  }
  return root.slice(folder.length + 1);
};

describe('a folder of classes', () => {
  it('is refused if the folders are parts of a data set', async () => {
    const root = await classes({ 'train/cat': ['a.png'], 'train/dog': ['b.jpg'], 'val/cat': ['a.png'] });
    const { code, stderr } = await evaluate(root);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/train, val .*are parts of a data set/)]);
  });

  it('has no classes of other programs, of empty folders or of --exclude', async () => {
    const root = await classes({
      cat: ['a.png'],
      dog: ['b.jpg'],
      fox: ['b.jpg'],
      owl: [],
      '@eaDir': ['a.png'],
      __MACOSX: ['a.png'],
    });
    const { stdout, stderr } = await evaluate(root, '--exclude', 'fox');
    expect(JSON.parse(stdout).labels).toEqual(['cat', 'dog']);
    expect(stderr).toContain('the folder owl contains no images');
  });

  it('gives a warning if classes are codes', async () => {
    const root = await classes({ n02123045: ['a.png'], n04008634: ['b.jpg'] });
    expect((await evaluate(root)).stderr).toContain('WordNet ids');
  });

  it('gives a warning if one picture is in two classes', async () => {
    const root = await classes({ cat: ['a.png'], dog: ['copy.png'] });
    expect((await evaluate(root)).stderr).toContain(
      'the same picture has two labels: cat/a.png (cat) and dog/copy.png (dog)',
    );
  });
});

describe('a table', () => {
  const table = async (content: string | Buffer, name = 'truth.csv', ...options: string[]) => {
    await writeFile(join(folder, name), content);
    return evaluate(name, ...options);
  };

  it.each([
    ['semicolons', 'path;label\r\na.png;cat\r\nb.jpg;dog\r\n'],
    ['tabs', 'path\tlabel\na.png\tcat\nb.jpg\tdog\n'],
    ['the line sep=', 'sep=;\npath;label\na.png;cat\nb.jpg;dog\n'],
    ['UTF-16', Buffer.from('\ufeffpath,label\r\na.png,cat\r\nb.jpg,dog\r\n', 'utf16le')],
  ])('is read with %s', async (_, content) => {
    expect(JSON.parse((await table(content)).stdout)).toMatchObject({ labels: ['cat', 'dog'], images: 2 });
  });

  it('has ids without extension in columns of any name', async () => {
    const options = ['--image-column', 'id', '--label-column', 'breed'];
    const { stdout } = await table('id,breed\na,cat\nb,dog\n', 'kaggle.csv', ...options);
    expect(JSON.parse(stdout)).toMatchObject({ labels: ['cat', 'dog'], images: 2, failed: 0 });
  });

  it('is refused if one file has two labels, by whatever path', async () => {
    for (const other of ['a.png', './a.png', 'link.png', join(folder, 'a.png')]) {
      const { code, stderr } = await table(`path,label\na.png,cat\n${other},dog\n`);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/two labels: "cat" in line 2.* and "dog" in line 3/)]);
    }
  });

  it('gives a warning if an image is listed twice', async () => {
    expect((await table('path,label\na.png,cat\na.png,cat\nb.jpg,dog\n')).stderr).toMatch(
      /names a\.png more than once.*lines 2 and 3/,
    );
  });
});
