import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { damagedCopies } from '../inputs/damaged.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { imagesOf, TINY } from './program.ts';

let folder: string;
const here = (name: string) => join(folder, name);
const PICTURES = ['exact', 'grey', 'rgb'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tar-cli-'));
  await mkdir(here('photos'));
  for (const name of PICTURES) {
    await copyFile(fixture(`images/${name}.png`), here(`photos/${name}.png`));
    await writeFile(here(`photos/${name}.txt`), `a ${name} cat`);
  }
  await writeFile(here('photos/broken.png'), 'no image');
  execFileSync('tar', ['-cf', here('photos.tar'), '--sort=name', '-C', folder, 'photos']);
});
afterAll(() => rm(folder, { recursive: true }));

const rows = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
/** The scores of a row that depend on sums in float32 are compared to 4 digits: a batch of another size takes sums in another order. */
const brief = ({ image, label, score }: Record<string, unknown>) => ({
  image: String(image).replace('photos.tar/', ''),
  label,
  score: typeof score === 'number' ? Number(score.toFixed(4)) : score,
});

describe('a tar on the command line', () => {
  it('has the rows of its folder; a damaged member is an error row', async () => {
    const fromFolder = await cli([here('photos'), ...TINY, '-f', 'jsonl']);
    const fromTar = await cli([here('photos.tar'), ...TINY, '-f', 'jsonl']);
    expect(rows(fromTar.stdout).map(brief)).toEqual(rows(fromFolder.stdout).map(brief));
    expect(fromTar.code).toBe(1);
    expect(fromTar.stderr).toContain('3 ok, 1 failed');
    expect(rows(fromTar.stdout)[0]).toMatchObject({ error: { code: 'E_FORMAT' } });
  });

  it('is read from standard input, with carried texts, by classify and embed', async () => {
    const stdin = await readFile(here('photos.tar'));
    const classified = await cli(['--tar', '-', '--carry', 'txt', ...TINY, '-f', 'jsonl'], { stdin });
    expect(rows(classified.stdout)[1]).toMatchObject({
      image: '-/photos/exact.png',
      key: 'photos/exact',
      sample: { txt: 'a exact cat' },
    });
    const embedded = await cli(['embed', '--tar', '-', '-m', fixture('tiny-class')], { stdin });
    const inFolder = await cli(['embed', here('photos'), '-m', fixture('tiny-class')]);
    // A batch of another size takes sums in another order: the last digits of a float32 differ.
    const numbers = (text: string) => rows(text).flatMap(({ embedding }) => (embedding ?? []) as number[]);
    const [actual, expected] = [numbers(embedded.stdout), numbers(inFolder.stdout)];
    expect(actual).toHaveLength(expected.length);
    expect(Math.max(...actual.map((value, n) => Math.abs(value - (expected[n] ?? Number.NaN))))).toBeLessThan(1e-6);
  });

  it('keeps its rows in a resumed run if it is unchanged; with --checksum also on standard input', async () => {
    const output = here('out.jsonl');
    const args = [here('photos.tar'), ...TINY, '-o', output, '--resume'];
    await cli(args);
    const whole = await readFile(output, 'utf8');
    // A run that was killed after two rows; then nothing is missing; then the tar is another one.
    const lines = whole.split('\n');
    await writeFile(output, `${lines.slice(0, 2).join('\n')}\n{"ima`);
    for (const change of [async () => {}, async () => {}, () => utimes(here('photos.tar'), 1, 1)]) {
      await change();
      expect((await cli(args)).stderr).toContain('3 ok, 1 failed');
      expect(await readFile(output, 'utf8')).toBe(whole);
    }

    const stdin = await readFile(here('photos.tar'));
    const streamed = ['--tar', '-', ...TINY, '-o', here('stdin.jsonl'), '--checksum'];
    await cli(streamed, { stdin });
    const before = await readFile(here('stdin.jsonl'), 'utf8');
    await cli([...streamed, '--resume'], { stdin });
    expect(await readFile(here('stdin.jsonl'), 'utf8')).toBe(before);
    expect(imagesOf(before)).toHaveLength(4);
  });

  it('cannot be the output, and standard input can be used once', async () => {
    expect((await cli([here('photos.tar'), ...TINY, '-o', here('photos.tar'), '-f', 'jsonl'])).stderr).toContain(
      'would overwrite the input',
    );
    expect((await cli(['--tar', here('photos.tar'), ...TINY, '-o', here('photos.tar'), '-f', 'jsonl'])).code).toBe(2);
    expect((await cli(['--tar', '-', '-', ...TINY])).stderr).toContain('standard input is used twice');
    expect((await cli(['embed', '--texts', 'a cat', '--tar', '-'])).stderr).toContain('remove --tar');
  });

  it('without an image is a usage error; a damaged tar gives its rows and an error', async () => {
    execFileSync('tar', ['-cf', here('texts.tar'), '-C', folder, 'photos/rgb.txt']);
    expect((await cli([here('texts.tar'), ...TINY])).code).toBe(2);
    const cut = (await readFile(here('photos.tar'))).subarray(0, -20_000);
    await writeFile(here('cut.tar'), cut);
    const { stdout, code } = await cli([here('cut.tar'), here('photos.tar'), ...TINY, '-f', 'jsonl']);
    expect(code).toBe(1);
    const images = imagesOf(stdout);
    const at = images.indexOf(here('cut.tar'));
    expect(at).toBeGreaterThan(0);
    expect(images.slice(at + 1)).toEqual(imagesOf(stdout).filter((image) => image.includes('photos.tar')));
  });
});

describe('damaged tars on the command line', () => {
  it('each give their rows or an error row, and nothing is written outside the output', async () => {
    await mkdir(here('damaged'));
    const tars = await damagedCopies(await readFile(here('photos.tar')), here('damaged'), 30, 7);
    const before = await readdir(folder);
    const { code, stdout, stderr } = await cli([...tars, ...TINY, '-f', 'jsonl']);
    expect(code).toBe(1);
    expect(stderr).not.toMatch(/\n\s+at /u);
    expect(rows(stdout).every(({ image }) => tars.some((tar) => String(image).startsWith(tar)))).toBe(true);
    expect(rows(stdout).filter(({ image }) => tars.includes(String(image))).length).toBeGreaterThan(5);
    expect(await readdir(folder)).toEqual(before);
  });
});

describe('--max-errors', () => {
  it('allows this number of failed images', async () => {
    const run = async (...options: string[]) => (await cli([here('photos'), ...TINY, ...options])).code;
    expect(await run('--max-errors', '0')).toBe(1);
    expect(await run('--max-errors', '1')).toBe(0);
    expect(await run('--max-errors', '25%')).toBe(0);
    expect(await run('--max-errors', '24.9%')).toBe(1);
    for (const wrong of ['-1', '101%', '1.5', 'x']) expect(await run(`--max-errors=${wrong}`)).toBe(2);
    expect(await run('--max-errors', '1', '--fail-fast')).toBe(2);
  });
});
