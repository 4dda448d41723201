import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ImageOptions, imagePaths } from '../../src/inputs/images.ts';
import { parseShard } from '../../src/inputs/shard.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'images-'));
  await mkdir(join(folder, 'sub/.dot'), { recursive: true });
  await mkdir(join(folder, 'empty'));
  for (const name of ['a.PNG', 'b.txt', 'sub/c.avif', 'sub/.dot/d.jpg', '.e.jpg', '[0].gif'])
    await writeFile(join(folder, name), '');
  await symlink('a.PNG', join(folder, 'link.png'));
});
afterAll(() => rm(folder, { recursive: true }));

async function images(args: string[], options: ImageOptions = {}): Promise<string[]> {
  const names: string[] = [];
  for await (const source of imagePaths(args, options)) names.push(source.name.replaceAll(`${folder}/`, ''));
  return names;
}
const here = (name: string) => join(folder, name);

describe('the images of the arguments', () => {
  it('are the images of a folder, named files with any extension, and missing files', async () => {
    expect(await images([folder, here('b.txt'), here('nothing')])).toEqual([
      '[0].gif',
      'a.PNG',
      'sub/c.avif',
      'b.txt',
      'nothing',
    ]);
  });

  it('are the matches of a glob; hidden files need a dot in the pattern or an option', async () => {
    expect(await images([here('*')])).toEqual(['[0].gif', 'a.PNG', 'b.txt', 'link.png']);
    expect(await images([here('**/*.{jpg,avif}')])).toEqual(['sub/c.avif']);
    expect(await images([here('.*.jpg')])).toEqual(['.e.jpg']);
    expect(await images([here('**/.dot/*.jpg')])).toEqual(['sub/.dot/d.jpg']);
    expect(await images([here('**/*.jpg')], { hidden: true })).toEqual(['.e.jpg', 'sub/.dot/d.jpg']);
    expect(await images([here('l*.png'), folder], { follow: true })).toContain('link.png');
    expect(await images([here('[0].gif')])).toEqual(['[0].gif']); // a file of that name has priority
  });

  // What bash 5.2 prints for `echo`, without the names that are not there.
  it.each([
    ['s-{000..012}.png', ['s-000.png', 's-007.png', 's-012.png']],
    ['n-{0..12}.png', ['n-0.png', 'n-12.png', 'n-7.png']],
    ['n-{12..7}.png', ['n-12.png', 'n-7.png']],
    ['n-{0..12..6}.png', ['n-0.png', 'n-12.png']],
    ['l-{a..c}.png', ['l-b.png', 'l-c.png']],
    ['{s-{000..007},l-b}.png', ['l-b.png', 's-000.png', 's-007.png']],
  ])('are the numbers and letters of a range: %s', async (pattern, expected) => {
    const ranges = await mkdtemp(join(folder, '.ranges-'));
    const names = ['s-000', 's-007', 's-012', 's-7', 'n-0', 'n-7', 'n-12', 'n-13', 'n-007', 'l-b', 'l-c', 'l-d'];
    for (const name of names) await writeFile(join(ranges, `${name}.png`), '');
    expect((await images([join(ranges, pattern)])).map((path) => basename(path))).toEqual(expected);
  });

  it('are URLs, even if they look like globs', async () => {
    const urls = ['https://example.org/a.jpg?size=[1]', 'HTTP://example.org/{x}*'];
    expect(await images(urls)).toEqual(urls);
    expect(await images(['https://me:secret@example.org/a.jpg'])).toEqual(['https://example.org/a.jpg']);
  });

  it('come before the images of the list, whose names are used unchanged', async () => {
    await writeFile(here('list'), `${here('*.png')}\n-\nhttps://example.org/x.png\n`);
    expect(await images([here('a.PNG')], { filesFrom: here('list') })).toEqual([
      'a.PNG',
      '*.png',
      '-',
      'https://example.org/x.png',
    ]);
  });

  it('are wrong usage if there are none, but a list may be empty', async () => {
    await expect(images([])).rejects.toThrow('no images; give image files');
    await expect(images([here('empty')])).rejects.toThrow(/empty contains no images/);
    await writeFile(here('nothing-listed'), '\n');
    const nothing: string[] = [];
    const options = { filesFrom: here('nothing-listed'), onNothing: (arg: string) => nothing.push(arg) };
    expect(await images([here('empty')], options)).toEqual([]);
    expect(nothing).toEqual([here('empty')]);
  });

  it('are on standard input once', async () => {
    const stdin = () => Readable.from([Buffer.from('bytes')]);
    const { value } = await imagePaths(['-'], { stdin }).next();
    expect(value).toMatchObject({ name: '-' });
    await expect(images(['-', '-'], { stdin })).rejects.toThrow('standard input is used twice');
    await expect(images(['-'], { stdin, filesFrom: '-' })).rejects.toThrow('standard input is used twice');
  });

  it('end when the signal is aborted, even if the list is open', async () => {
    const stdin = new Readable({ read() {} });
    stdin.push('a\n');
    const enough = new AbortController();
    const paths = imagePaths([], { filesFrom: '-', stdin: () => stdin, signal: enough.signal });
    expect(await paths.next()).toMatchObject({ value: { name: 'a' }, done: false });
    const next = paths.next();
    enough.abort();
    expect((await next).done).toBe(true);
    expect(stdin.destroyed).toBe(true);
  });
});

describe('shards', () => {
  const paths = Array.from({ length: 1000 }, (_, n) => `photos/${n}.jpg`);

  it.each([1, 2, 3, 16])('of %d are disjoint, complete, and of similar size', async (of) => {
    const parts = [];
    for (let part = 1; part <= of; part++) parts.push(await images(paths, { shard: { part, of } }));
    expect(parts.flat().sort()).toEqual([...paths].sort());
    // A binomial count stays within six standard deviations.
    for (const { length } of parts) expect(Math.abs(length - 1000 / of)).toBeLessThan(6 * Math.sqrt(1000 / of) + 1);
  });

  it('agree with sha256sum', async () => {
    const script = 'for p; do echo $((0x$(printf %s "$p" | sha256sum | cut -c1-8) % 5 + 1)); done';
    const sample = [...paths.slice(0, 20), 'caf\u00e9', '\u{1f408}'];
    const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', ...sample]);
    const third = sample.filter((_, n) => stdout.split('\n')[n] === '3');
    expect(third.length).toBeGreaterThan(0);
    expect(await images(sample, { shard: { part: 3, of: 5 } })).toEqual(third);
  });

  it('may be empty, unless there is no image at all', async () => {
    const parts = await Promise.all([1, 2].map((part) => images([here('a.PNG')], { shard: { part, of: 2 } })));
    expect(parts.map(({ length }) => length).sort()).toEqual([0, 1]);
    await expect(images([here('empty')], { shard: { part: 1, of: 2 } })).rejects.toThrow('contains no images');
  });

  it.each(['0/3', '4/3', '1', '1/0', '-1/3', '1.5/3', 'a/b', '1/3/5', ''])('%j is none', (text) => {
    expect(() => parseShard(text)).toThrow(/is not a valid shard; use i\/n/);
  });
});
