import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { pause } from './program.ts';

const MODEL = ['-m', fixture('tiny-class'), '--quiet'];

let folder: string;
let photos: string;
let names: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-'));
  photos = join(folder, 'photos');
  await mkdir(photos);
  const all = (await readdir(fixture('images'))).filter((name) => /\.(png|jpe?g|webp)$/u.test(name)).slice(0, 6);
  for (const name of all) await copyFile(fixture(`images/${name}`), join(photos, name));
  names = all.sort();
});
afterAll(() => rm(folder, { recursive: true }));

const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** The embeddings as `embed` prints them: another way to the same numbers. */
async function embeddings(args: readonly string[]): Promise<number[][]> {
  const { stdout } = await cli(['embed', ...args, ...MODEL, '--no-cache']);
  return rowsOf(stdout).map(({ embedding }) => embedding);
}
const unit = (values: readonly number[]) => values.map((value) => value / Math.hypot(...values));
const cosine = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, d) => sum + value * (b[d] as number), 0);

describe('find', () => {
  it('ranks pictures by the cosine of their embedding and the embedding of the text', async () => {
    const { code, stdout } = await cli(['find', 'a small house', photos, '-k', 'all', ...MODEL]);
    expect(code).toBe(0);
    const [query = []] = await embeddings(['--texts', 'a small house']);
    const images = await embeddings([photos]);
    const expected = images
      .map((image, n) => ({ image: join(photos, names[n] as string), cosine: cosine(image, query) }))
      .sort((a, b) => b.cosine - a.cosine);
    const rows = rowsOf(stdout);
    expect(rows.map(({ image }) => image)).toEqual(expected.map(({ image }) => image));
    // Six digits are printed, and embed prints its embeddings as float32.
    for (const [n, row] of rows.entries()) expect(row.cosine).toBeCloseTo(expected[n]?.cosine as number, 5);
  });

  it('adds texts and pictures, and subtracts half of each text of --without', async () => {
    const like = join(photos, names[2] as string);
    const { stdout } = await cli([
      'find',
      'cat',
      photos,
      '--and',
      'dog',
      '--without',
      'house',
      '--like',
      like,
      ...MODEL,
    ]);
    const [cat = [], dog = [], house = []] = await embeddings(['--texts', 'cat,dog,house']);
    const images = await embeddings([photos]);
    const query = unit(
      cat.map((value, d) => value + (dog[d] as number) + (images[2]?.[d] as number) - (house[d] as number) / 2),
    );
    for (const row of rowsOf(stdout)) {
      const image = images[names.findIndex((name) => row.image.endsWith(name))] as number[];
      expect(row.cosine).toBeCloseTo(cosine(image, query), 5);
    }
  });

  it('finds a picture first with --like alone, at cosine 1', async () => {
    const like = join(photos, names[4] as string);
    const [first] = rowsOf((await cli(['find', '--like', like, photos, '-k', '1', ...MODEL])).stdout);
    expect(first).toMatchObject({ image: like, rank: 1, cosine: 1 });
  });

  it('writes paths for xargs -0, keeps --threshold, and reports a broken picture with exit code 1', async () => {
    const broken = join(folder, 'broken.jpg');
    await writeFile(broken, 'no picture');
    const all = await cli(['find', 'cat', photos, broken, '--threshold', '-1', '-k', 'all', '--print0', ...MODEL]);
    expect(all.code).toBe(1);
    expect(all.stdout.split('\0').filter((path) => path !== '').length).toBe(names.length);
    const none = await cli(['find', 'cat', photos, '--threshold', '1', '--print0', ...MODEL]);
    expect(none).toMatchObject({ code: 0, stdout: '' });
    const rows = rowsOf((await cli(['find', 'cat', broken, ...MODEL])).stdout);
    expect(rows).toMatchObject([{ image: broken, error: { code: 'E_FORMAT' } }]);
  });

  it('notices a picture that was replaced since the last search', async () => {
    const [copy, a, b] = [join(folder, 'changing.png'), names[0] as string, names[1] as string];
    const search = async () => rowsOf((await cli(['find', 'cat', copy, ...MODEL])).stdout)[0].cosine;
    const old = new Date(Date.now() - 60_000);
    await copyFile(join(photos, a), copy);
    await utimes(copy, old, old);
    const before = await search();
    expect(await search()).toBe(before);
    await copyFile(join(photos, b), copy);
    await utimes(copy, old, old);
    expect(await search()).not.toBe(before);
  });

  it('gives the embeddings of a run without cache, also for known pictures between new and changed ones', async () => {
    const many = join(folder, 'many');
    await mkdir(many);
    const fill = async (at: number, from: number) =>
      copyFile(join(photos, names[from] as string), join(many, `${at}.png`));
    for (const at of [0, 1, 3, 4]) await fill(at, at);
    const search = async (...args: string[]) =>
      rowsOf((await cli(['embed', many, ...MODEL, ...args])).stdout).map(({ image, embedding }) => ({
        image,
        embedding,
      }));
    const settle = () => pause(3100); // a file that changed just now is read again
    await settle();
    await search('--cache-images');
    await fill(2, 2);
    await fill(3, 5);
    expect(await search('--cache-images')).toEqual(await search('--no-cache'));
    await settle();
    for (const _ of [1, 2]) expect(await search('--cache-images')).toEqual(await search('--no-cache'));
  });

  it('writes a page without scripts, with a thumbnail of each picture', async () => {
    const page = join(folder, 'page.html');
    await cli(['find', 'cat <script>', photos, '--html', page, '-k', '3', ...MODEL]);
    const html = await readFile(page, 'utf8');
    expect(html.match(/<img src="data:image\/webp;base64,/gu)?.length).toBe(3);
    expect(html).not.toMatch(/<script/iu);
  });

  it('refuses a search for nothing', async () => {
    expect(await cli(['find', '--top', '3'])).toMatchObject({ code: 2, stderr: expect.stringContaining('E_USAGE') });
  });
});
