import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { canMount, onSmallDisk, remount } from './disks.ts';
import { cli } from './io.ts';
import { dice, imagesOf, manyImages, start, TINY } from './program.ts';

let root: string;
let folder: string;
let images: string[];
let whole: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'resume-'));
  folder = join(root, 'images');
  images = await manyImages(folder, 600);
  whole = (await cli([folder, ...TINY])).stdout;
});
afterAll(() => rm(root, { recursive: true }));

const file = (name: string) => join(root, name);
const resume = (output: string, ...more: string[]) => cli([folder, ...TINY, '-o', output, '--resume', ...more]);

/** The label and the score of each row of JSON lines. */
const scoresOf = (jsonl: string) =>
  jsonl
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly label: string; readonly score: number });

describe('--resume', () => {
  it('continues after kill -9 at random times: no row is lost, repeated or partial', async () => {
    const output = file('killed.jsonl');
    const random = dice(14);
    let kills = 0;
    for (let n = 0; n < 6; n++) {
      const { child, ended } = start([folder, ...TINY, '-o', output, '--resume', '--batch', '4']);
      const timer = setTimeout(() => child.kill('SIGKILL'), 500 + random() * 1500);
      if ((await ended).signal === 'SIGKILL') kills++;
      clearTimeout(timer);
    }
    expect(kills).toBeGreaterThan(0);
    expect((await resume(output)).code).toBe(0);
    const text = await readFile(output, 'utf8');
    expect(imagesOf(text)).toEqual(images);
    const [rows, wanted] = [scoresOf(text), scoresOf(whole)];
    expect(rows.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
    // A batch of another size adds in another order: the sixth digit of a score can change.
    for (const [n, { score }] of wanted.entries()) expect(Math.abs((rows[n]?.score ?? 0) - score)).toBeLessThan(2e-6);
  });

  it.each(['jsonl', 'csv', 'tsv'])('drops a partial row and continues (%s)', async (format) => {
    const output = file(`torn.${format}`);
    await cli([folder, ...TINY, '-o', output]);
    const before = await readFile(output);
    await truncate(output, Math.floor(before.length / 2) + 7);
    expect(await resume(output)).toEqual({ code: 0, stdout: '', stderr: '600 ok, 0 failed\n' });
    expect((await readFile(output)).equals(before)).toBe(true);
  });

  it('continues with a truncated journal', async () => {
    const output = file('journal.jsonl');
    await cli([folder, ...TINY, '-o', output]);
    const before = await readFile(output);
    const journal = await readFile(`${output}.run.rows`);
    await truncate(`${output}.run.rows`, Math.floor(journal.length / 3));
    await resume(output);
    expect((await readFile(output)).equals(before)).toBe(true);
    expect((await readFile(`${output}.run.rows`)).equals(journal)).toBe(true);
  });

  it('classifies a changed image again, and keeps the rows after it', async () => {
    const output = file('changed.csv');
    const some = file('some');
    await mkdir(some);
    for (const name of ['a.png', 'b.png', 'c.png', 'd.png'])
      await copyFile(fixture('images/rgb.png'), join(some, name));
    const args = [some, ...TINY, '-o', output];
    await cli(args);
    const rows = (await readFile(output, 'utf8')).split('\n');
    await copyFile(fixture('images/odd.jpg'), join(some, 'b.png'));
    await unlink(join(some, 'c.png'));
    expect((await cli([...args, '--resume'])).stderr).toBe('3 ok, 0 failed\n');
    const after = (await readFile(output, 'utf8')).split('\n');
    expect(after.filter((row) => row.includes('a.png'))).toEqual(rows.filter((row) => row.includes('a.png')));
    expect(after.filter((row) => row.includes('b.png'))).not.toEqual(rows.filter((row) => row.includes('b.png')));
    expect(after.some((row) => row.includes('c.png'))).toBe(false);
    expect(after.filter((row) => row.includes('d.png'))).toEqual(rows.filter((row) => row.includes('d.png')));
  });

  it.each([
    ['keeps the rows of a tree that was copied with new times, with --checksum', ['--checksum'], true],
    ['classifies such a tree again without --checksum', [], false],
  ] as const)('%s', async (_, checksum, isKept) => {
    const [output, tree] = [file(`copied-${isKept}.jsonl`), file(`tree-${isKept}`)];
    await mkdir(tree);
    for (const name of ['a.png', 'b.png']) await copyFile(fixture('images/rgb.png'), join(tree, name));
    const args = [tree, ...TINY, '-o', output, ...checksum];
    await cli(args);
    const rowsAndJournal = () => Promise.all([output, `${output}.run.rows`].map((path) => readFile(path, 'utf8')));
    const [before = '', journal] = await rowsAndJournal();
    for (const name of ['a.png', 'b.png']) {
      await rm(join(tree, name));
      await copyFile(fixture('images/rgb.png'), join(tree, name));
    }
    expect((await cli([...args, '--resume'])).stderr).toBe('2 ok, 0 failed\n');
    const [after, laterJournal] = await rowsAndJournal(); // the journal has the times of the images when they were classified
    expect(after).toBe(before);
    expect(laterJournal === journal).toBe(isKept);
    await copyFile(fixture('images/odd.jpg'), join(tree, 'b.png'));
    await cli([...args, '--resume']);
    const rows = (await readFile(output, 'utf8')).split('\n');
    expect(rows[0]).toBe(before.split('\n')[0]);
    expect(rows[1]).not.toBe(before.split('\n')[1]);
  });

  it('counts the error rows that it keeps', async () => {
    const output = file('failed.jsonl');
    const args = [fixture('images/rgb.png'), file('nothing.jpg'), ...TINY, '-o', output];
    expect((await cli(args)).code).toBe(1);
    expect(await cli([...args, '--resume'])).toEqual({ code: 1, stdout: '', stderr: '1 ok, 1 failed\n' });
  });

  it.each([
    [['-l', 'bird'], 'labels'],
    [['-t', 'a {}'], 'templates'],
    [['-k', '1'], 'top'],
    [['--no-exif'], 'exif'],
    [['-m', fixture('tiny-gelu-f16')], 'model'],
    [['-f', 'jsonl'], 'format'],
  ])('refuses to go on with %j', async (more, what) => {
    const output = file('refused.csv');
    const few = fixture('images/rgb.png');
    await cli([few, ...TINY, '-o', output]);
    const before = await readFile(output, 'utf8');
    const model = more[0] === '-m' ? TINY.slice(0, 2) : TINY;
    const { code, stderr } = await cli([few, ...model, '-o', output, '--resume', ...more]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(new RegExp(`E_USAGE: .* was written with different .*${what}`)),
    ]);
    expect(await readFile(output, 'utf8')).toBe(before);
  });

  it('refuses a file without settings, a format without rows, and a missing --output', async () => {
    await writeFile(file('foreign.jsonl'), '{"image":"x"}\n');
    expect(await resume(file('foreign.jsonl'))).toMatchObject({
      code: 2,
      stderr: /E_USAGE: cannot resume .*foreign.jsonl/,
    });
    expect(await resume(file('x.json'))).toMatchObject({
      code: 2,
      stderr: /E_USAGE: --resume does not support json output/,
    });
    expect(await cli([folder, ...TINY, '--resume'])).toMatchObject({
      code: 2,
      stderr: /E_USAGE: --resume needs --output/,
    });
  });

  it('refuses rows without a journal, and keeps them', async () => {
    const output = file('unknown.csv');
    await cli([folder, ...TINY, '-o', output]);
    const before = await readFile(output, 'utf8');
    await unlink(`${output}.run.rows`);
    expect(await resume(output)).toMatchObject({
      code: 2,
      stderr: /E_USAGE: cannot resume .*unknown.csv: its journal .*\.run\.rows is missing/,
    });
    expect(await readFile(output, 'utf8')).toBe(before);
    await truncate(output, before.indexOf('\n') + 1); // the run ended before the first row
    expect((await resume(output)).code).toBe(0);
    expect(await readFile(output, 'utf8')).toBe(before);
  });

  it('is refused while another run writes the file; the lock of a dead run does not count', async () => {
    const output = file('twice.jsonl');
    const { child, ended } = start([folder, ...TINY, '-o', output, '--batch', '1', '--threads', '1']);
    await expect.poll(() => readFile(output, 'utf8').catch(() => ''), { timeout: 30_000 }).toContain('\n');
    child.kill('SIGSTOP');
    for (const more of [['--resume'], []]) {
      const { code, stderr } = await cli([folder, ...TINY, '-o', output, ...more]);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/E_OUTPUT: another run is writing .*: process \d+ on .* holds .*; wait/),
      ]);
    }
    child.kill('SIGKILL');
    expect((await ended).signal).toBe('SIGKILL');
    expect((await resume(output)).code).toBe(0);
    expect(imagesOf(await readFile(output, 'utf8'))).toEqual(images);
    expect(await readFile(`${output}.run.lock`).catch(({ code }) => code)).toBe('ENOENT');
  });

  it('begins a new file if there is none', async () => {
    const output = file('new.jsonl');
    expect((await resume(output)).code).toBe(0);
    expect(imagesOf(await readFile(output, 'utf8'))).toEqual(images);
  });
});

describe('a failing disk', () => {
  const few = () => images.slice(0, 40);
  const shim = fileURLToPath(new URL('failing-disk.mjs', import.meta.url));

  // Row and journal are written in turn, after the head of each: 82 writes in all.
  it.each([1, 2, 3, 4, 25, 26, 81, 82])(
    'at write %i: one line, exit code 2 and complete rows; the run can be continued',
    async (n) => {
      const output = file(`failing-${n}.csv`);
      const args = [...few(), ...TINY, '-o', output];
      const env = { ...process.env, FAILING_WRITE: String(n), NODE_OPTIONS: `--import=${shim}` };
      const { code, stderr } = await start(args, env).ended;
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/^clip-classify: error: E_OUTPUT: [^\n]*read or write error[^\n]*\n$/),
      ]);
      expect(await readFile(output, 'utf8')).toMatch(/^$|\n$/);
      expect((await cli([...args, '--resume'])).code).toBe(0);
      const rows = (await cli([...few(), ...TINY, '-f', 'csv'])).stdout;
      expect(await readFile(output, 'utf8')).toBe(rows);
    },
  );
});

describe.skipIf(!canMount)('a full disk (skipped if no file system can be mounted)', () => {
  it('ends with one line, exit code 2 and complete rows; with more space the run continues', async () => {
    const disk = file('disk');
    await onSmallDisk(disk, 'size=64k', async () => {
      const output = join(disk, 'out.jsonl');
      const full = await resume(output);
      expect([full.code, full.stderr]).toEqual([
        2,
        expect.stringMatching(/^clip-classify: error: E_OUTPUT: [^\n]*no space[^\n]*\n$/),
      ]);
      const begun = await readFile(output, 'utf8');
      expect(begun.endsWith('\n')).toBe(true);
      expect(imagesOf(begun)).toEqual(images.slice(0, imagesOf(begun).length));
      remount(disk, 'size=8m');
      expect((await resume(output)).code).toBe(0);
      expect(imagesOf(await readFile(output, 'utf8'))).toEqual(images);
    });
  });
});
