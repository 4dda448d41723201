import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { TINY } from './program.ts';

let folder: string;
const here = (name: string) => join(folder, name);
const MODEL = ['-m', fixture('tiny-class')];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquet-'));
  await mkdir(here('photos'));
  for (const name of ['exact', 'grey', 'rgb']) {
    await copyFile(fixture(`images/${name}.png`), here(`photos/${name}.png`));
    await writeFile(here(`photos/${name}.txt`), `a ${name} cat`);
  }
  await writeFile(here('photos/broken.png'), 'no image');
  for (const name of ['a', 'b', 'c'])
    execFileSync('tar', ['-cf', here(`${name}.tar`), '--sort=name', '-C', folder, 'photos']);
  execFileSync('tar', ['-cf', here('empty.tar'), '-C', folder, 'photos/rgb.txt']);
  await writeFile(here('cut.tar'), (await readFile(here('a.tar'))).subarray(0, -20_000));
});
afterAll(() => rm(folder, { recursive: true }));

/** The rows as another implementation reads them. */
async function rowsOf(file: string): Promise<Record<string, unknown>[]> {
  return (await parquetReadObjects({ file: await asyncBufferFromFile(here(file)) })) as Record<string, unknown>[];
}
async function metadataOf(file: string) {
  const { key_value_metadata, row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(here(file)));
  return { entries: Object.fromEntries((key_value_metadata ?? []).map(({ key, value }) => [key, value])), row_groups };
}
const jsonRows = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('Parquet', () => {
  it('has the rows of classify -f jsonl, and metadata about them', async () => {
    await cli([here('photos'), ...TINY, '-o', here('out.parquet')]);
    const { stdout } = await cli([here('photos'), ...TINY, '-f', 'jsonl']);
    const rows = await rowsOf('out.parquet');
    expect(rows.map(({ image, label, score, labels, error }) => ({ image, label, score, labels, error }))).toEqual(
      jsonRows(stdout).map(({ image, label = null, score = null, labels = null, error = null }) => ({
        image,
        label,
        score,
        labels: (labels as object[] | null)?.map((one) => ({ ...one, reason: null })) ?? null,
        error,
      })),
    );
    const { entries } = await metadataOf('out.parquet');
    expect(entries).toMatchObject({ 'clip_classify.schema': 'classify/1', 'clip_classify.model': expect.any(String) });
  });

  it('has the embeddings of embed -f jsonl as float32, or the nearest float16', async () => {
    await cli(['embed', here('photos'), ...MODEL, '-o', here('e.parquet')]);
    await cli(['embed', here('photos'), ...MODEL, '-o', here('half.parquet'), '--embedding-type', 'float16']);
    const expected = jsonRows((await cli(['embed', here('photos'), ...MODEL])).stdout);
    const [rows, halves] = [await rowsOf('e.parquet'), await rowsOf('half.parquet')];
    expect(rows.map(({ image }) => image)).toEqual(expected.map(({ image }) => image));
    for (const [n, row] of expected.entries()) {
      const numbers = (row['embedding'] ?? null) as number[] | null;
      const [single, half] = [rows[n]?.['embedding'], halves[n]?.['embedding']] as (number[] | null)[];
      if (numbers === null || !single || !half) expect([numbers, single, half]).toEqual([null, null, null]);
      else
        for (const [d, value] of numbers.entries()) {
          // Runs with other batches differ in the last digits; half an ulp of a float16 below 1 is 2^-12.
          expect(Math.abs((single[d] ?? 9) - value)).toBeLessThan(1e-6);
          expect(Math.abs((half[d] ?? 9) - value)).toBeLessThan(2 ** -11);
        }
    }
  });

  it('is ranked by --from like JSON lines, and so are .npy files of float32 and float16', async () => {
    const rank = async (file: string) => {
      const { code, stdout } = await cli(['--from', here(file), ...TINY, '-f', 'jsonl', '--quiet']);
      return { code, rows: jsonRows(stdout) };
    };
    for (const [file, ...more] of [
      ['s.jsonl'],
      ['s.npy'],
      ['s.parquet'],
      ['h.npy', 'float16'],
      ['h.parquet', 'float16'],
    ])
      await cli([
        'embed',
        here('photos'),
        ...MODEL,
        '-o',
        here(String(file)),
        ...more.flatMap((type) => ['--embedding-type', type]),
      ]);
    const { code, rows: expected } = await rank('s.jsonl');
    expect([code, expected.length]).toEqual([1, 4]);
    for (const file of ['s.npy', 's.parquet']) expect(await rank(file)).toEqual({ code, rows: expected });
    const halves = await rank('h.npy');
    expect(await rank('h.parquet')).toEqual(halves);
    for (const [n, row] of expected.entries()) {
      const half = halves.rows[n];
      expect([half?.['image'], half?.['label'], half?.['error']]).toEqual([row['image'], row['label'], row['error']]);
      // 11 bits of each number, times the logit scale of the model.
      if (!row['error']) expect(Math.abs(Number(half?.['score']) - Number(row['score']))).toBeLessThan(0.01);
    }
  });

  it('is refused by --from if it holds something else, comes from another model or is damaged', async () => {
    await writeFile(here('one.txt'), 'a cat\n');
    await cli([here('photos'), ...TINY, '-o', here('rows.parquet')]);
    await cli(['embed', '--texts-file', here('one.txt'), ...MODEL, '-o', here('t.parquet')]);
    await cli(['embed', here('photos/rgb.png'), '-m', fixture('tiny-siglip'), '-o', here('other.parquet')]);
    await cli(['embed', here('photos/rgb.png'), ...MODEL, '-o', here('good.parquet')]);
    await writeFile(here('cut.parquet'), (await readFile(here('good.parquet'))).subarray(0, -20));
    for (const [file, said] of [
      ['rows', 'contains no embeddings of images'],
      ['t', 'contains embeddings of texts'],
      ['other', 'come from another model (tiny-siglip'],
      ['cut', 'cannot use'],
      ['none', 'no such file or folder'],
    ]) {
      const { code, stderr } = await cli(['--from', here(`${file}.parquet`), ...TINY]);
      expect(code).toBe(2);
      expect(stderr).toContain(said);
    }
  });

  it('has a row for each text, columns even without rows, and groups of limited size', async () => {
    const texts = here('texts.txt');
    await writeFile(texts, Array.from({ length: 2100 }, (_, n) => `text ${n % 40}\n`).join(''));
    await cli(['embed', '--texts-file', texts, ...MODEL, '-o', here('texts.parquet')]);
    const { row_groups, entries } = await metadataOf('texts.parquet');
    expect(row_groups.map(({ num_rows }) => Number(num_rows))).toEqual([2048, 52]);
    expect(entries['clip_classify.kind']).toBe('text');
    expect((await rowsOf('texts.parquet')).at(-1)).toMatchObject({ text: 'text 19', embedding: expect.any(Array) });
    await cli([here('empty.tar'), ...TINY, '--output-dir', here('empty')]);
    expect(await rowsOf('empty/empty.parquet')).toEqual([]);
  });

  it('is refused on standard output and with --resume', async () => {
    expect((await cli([here('photos'), ...TINY, '-f', 'parquet'])).stderr).toContain('standard output');
    const resumed = await cli([here('photos'), ...TINY, '-o', here('r.parquet'), '--resume']);
    expect(resumed.stderr).toContain('--resume does not support parquet output');
    expect(existsSync(here('r.parquet'))).toBe(false);
  });
});

describe('--output-dir', () => {
  const tars = () => ['a', 'b', 'cut'].map((name) => here(`${name}.tar`));
  const written = (stderr: string) => /(\d+) parts? written, (\d+) done before/u.exec(stderr)?.slice(1).map(Number);

  it('writes a file for each tar; a second run writes what is not done: a damaged tar, a changed tar, a truncated file', async () => {
    const run = async (...more: string[]) => cli([...tars(), ...TINY, '--output-dir', here('out'), ...more]);
    const first = await run();
    expect(first.code).toBe(1);
    expect(written(first.stderr)).toEqual([3, 0]);
    expect(first.stderr).toContain('0 done before; 1 not done (a missing or damaged tar)');
    expect((await readdir(here('out'))).sort()).toEqual(
      ['a.parquet', 'a.parquet.done.json', 'b.parquet', 'b.parquet.done.json', 'cut.parquet'].sort(),
    );
    expect((await rowsOf('out/cut.parquet')).at(-1)).toMatchObject({
      image: here('cut.tar'),
      error: { code: 'E_DECODE' },
    });
    const marker = JSON.parse(await readFile(here('out/a.parquet.done.json'), 'utf8'));
    const sha256 = execFileSync('sha256sum', [here('out/a.parquet')], { encoding: 'utf8' }).slice(0, 64);
    expect(marker).toMatchObject({ ok: 3, failed: 1, files: [{ name: 'a.parquet', sha256 }] });

    expect(written((await run()).stderr)).toEqual([1, 2]);
    await truncate(here('out/a.parquet'), 100);
    expect(written((await run()).stderr)).toEqual([2, 1]);
    await copyFile(here('c.tar'), here('b.tar'));
    expect(written((await run()).stderr)).toEqual([2, 1]);
    await writeFile(here('out/b.parquet.done.json'), '{"schema":1,');
    expect(written((await run()).stderr)).toEqual([2, 1]);
    expect(await rowsOf('out/b.parquet')).toHaveLength(4);
    const other = await cli([...tars(), '-l', 'cat,bird', ...MODEL, '--output-dir', here('out')]);
    expect(other.stderr).toContain('was written with different labels');
  });

  it('writes a part again after a change that keeps size and time of its tar, or the size of its file', async () => {
    for (const name of ['x', 'y']) await copyFile(here('a.tar'), here(`${name}.tar`));
    const run = async () =>
      written((await cli([here('x.tar'), here('y.tar'), ...TINY, '--output-dir', here('kept')])).stderr);
    expect(await run()).toEqual([2, 0]);

    const { atime, mtime } = await stat(here('x.tar'));
    const tar = await readFile(here('x.tar'));
    await writeFile(here('x.tar'), tar); // the inode stays, too
    await utimes(here('x.tar'), atime, mtime);
    expect(await run()).toEqual([1, 1]);

    const rows = await rowsOf('kept/y.parquet');
    const file = await readFile(here('kept/y.parquet'));
    await writeFile(here('kept/y.parquet'), file); // the same bytes
    expect(await run()).toEqual([0, 2]);
    file.writeUInt8((file.at(100) ?? 0) ^ 1, 100);
    await writeFile(here('kept/y.parquet'), file);
    expect(await run()).toEqual([1, 1]);
    expect(await rowsOf('kept/y.parquet')).toEqual(rows);
  });

  it.skipIf(process.platform === 'win32')(
    'tries a part again if an image could not be read (not on Windows)',
    async () => {
      execFileSync('mkfifo', [here('fifo.png')]);
      await writeFile(
        here('list'),
        ['photos/broken.png', 'photos/rgb.png', 'fifo.png', 'photos/grey.png'].map(here).join('\n'),
      );
      const run = async () =>
        cli(['--files-from', here('list'), ...TINY, '--output-dir', here('again'), '--rows-per-file', '2']);
      const first = await run();
      expect(written(first.stderr)).toEqual([2, 0]);
      expect(first.stderr).toContain(
        '1 not done (an image timed out, crashed or was unreadable): run the command again',
      );
      expect(await readdir(here('again'))).not.toContain('part-00001.parquet.done.json');
      expect(written((await run()).stderr)).toEqual([1, 1]);
    },
  );

  it('writes a file without rows, and a warning, for a tar without pictures', async () => {
    await writeFile(here('caption.txt'), 'a cat');
    execFileSync('tar', ['-cf', here('texts.tar'), '-C', folder, 'caption.txt']);
    const run = async () => cli([here('texts.tar'), ...TINY, '--output-dir', here('none')]);
    const first = await run();
    expect(first.code).toBe(0);
    expect(first.stderr).toContain(`${here('texts.tar')} contains no pictures (1 member)`);
    expect(await rowsOf('none/texts.parquet')).toEqual([]);
    const marker = JSON.parse(await readFile(here('none/texts.parquet.done.json'), 'utf8'));
    expect(marker).toMatchObject({ ok: 0, failed: 0 });
    expect(written((await run()).stderr)).toEqual([0, 1]);
  });

  it('writes a file for every n images, and names the files of each shard differently', async () => {
    const run = async (...more: string[]) =>
      cli([here('photos'), ...TINY, '--output-dir', here('rows'), '--rows-per-file', '3', '-f', 'jsonl', ...more]);
    expect(written((await run()).stderr)).toEqual([2, 0]);
    const names = ['part-00000.jsonl', 'part-00001.jsonl'];
    const texts = await Promise.all(names.map((name) => readFile(here(`rows/${name}`), 'utf8')));
    expect(texts.map((text) => jsonRows(text).length)).toEqual([3, 1]);
    expect(written((await run()).stderr)).toEqual([0, 2]);
    for (const shard of ['1/2', '2/2']) await run('--shard', shard);
    const shared = (await readdir(here('rows'))).filter((name) => /of2-\d{5}\.jsonl$/u.test(name));
    const lines = await Promise.all(shared.map((name) => readFile(here(`rows/${name}`), 'utf8')));
    expect(
      lines
        .flatMap(jsonRows)
        .map(({ image }) => image)
        .sort(),
    ).toEqual(
      texts
        .flatMap(jsonRows)
        .map(({ image }) => image)
        .sort(),
    );
  });

  it('refuses other outputs, images without --rows-per-file, and two tars with the same name', async () => {
    const refused = async (...args: string[]) => (await cli([...args, ...TINY, '--output-dir', here('no')])).stderr;
    expect(await refused(here('a.tar'), '-o', 'x.csv')).toContain('--output does not work with --output-dir');
    expect(await refused(here('a.tar'), '--resume')).toContain('a second run skips what is done');
    expect(await refused(here('photos'))).toContain('add --rows-per-file');
    expect(await refused(here('a.tar'), here('out/../a.tar'))).toContain('would both be written to a');
    expect(await refused(here('a.tar'), '--rows-per-file', '9')).toContain('not in tars');
    expect(existsSync(here('no'))).toBe(false);
  });
});

describe('--layout clip-retrieval', () => {
  it('writes pairs of npy and Parquet with padded numbers, and no pair for a part without rows', async () => {
    const args = [here('a.tar'), here('empty.tar'), here('c.tar')];
    const run = () =>
      cli(['embed', ...args, ...MODEL, '--output-dir', here('ret'), '--layout', 'clip-retrieval', '--carry', 'txt']);
    await run();
    expect((await readdir(here('ret/img_emb'))).sort()).toEqual(['img_emb_00000.npy', 'img_emb_00002.npy']);
    expect((await readdir(here('ret/metadata'))).sort()).toEqual(['metadata_00000.parquet', 'metadata_00002.parquet']);
    expect(await readdir(here('ret/errors'))).toHaveLength(2);
    const rows = await rowsOf('ret/metadata/metadata_00002.parquet');
    expect(rows.map(({ image_path, caption }) => [image_path, caption])).toEqual(
      ['exact', 'grey', 'rgb'].map((name) => [`photos/${name}`, `a ${name} cat`]),
    );
    const npy = await readFile(here('ret/img_emb/img_emb_00002.npy'));
    expect(npy.toString('latin1', 10, 128)).toMatch(/'descr': '<f2', 'fortran_order': False, 'shape': \(3, \d+\)/u);
    expect((await run()).stderr).toContain('0 parts written, 3 done before');
  });
});
