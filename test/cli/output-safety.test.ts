import { execFileSync } from 'node:child_process';
import { copyFile, link, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { imagesOf, leftOver, manyImages, start, TINY } from './program.ts';

const MODEL = TINY.slice(2);

let root: string;
let images: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'output-'));
  images = await manyImages(join(root, 'images'), 120);
});
afterAll(() => rm(root, { recursive: true }));

const file = (name: string) => join(root, name);
/** Waits until a file has content. */
const begins = (path: string) =>
  expect.poll(() => readFile(path, 'utf8').catch(() => ''), { timeout: 30_000 }).not.toBe('');

describe('an output that another run writes', () => {
  it.each([
    ['jsonl under a symbolic link', 'a.jsonl', TINY, symlink],
    ['jsonl under a hard link', 'b.jsonl', TINY, link],
    ['csv', 'c.csv', TINY, undefined],
    ['json', 'd.json', TINY, undefined],
    ['a table', 'e.txt', [...TINY, '-f', 'table'], undefined],
    ['labels', 'f.txt', [...TINY, '-f', 'label'], undefined],
    ['embeddings', 'g.npy', MODEL, undefined],
    ['Parquet', 'h.parquet', TINY, undefined],
  ])('is refused: %s', async (_, name, options, another) => {
    const output = file(name);
    const command = name.endsWith('.npy') ? ['embed'] : [];
    if (another !== undefined) await writeFile(output, '');
    const { child, ended } = start([...command, ...images, ...options, '-o', output, '--batch', '1', '--threads', '1']);
    await begins(`${output}.run.lock`);
    child.kill('SIGSTOP');
    const second = another === undefined ? output : file(`other-${name}`);
    if (another !== undefined) await another(output, second);
    const { code, stderr } = await cli([...command, ...images.slice(0, 3), ...options, '-o', second]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('E_OUTPUT: another run is writing')]);
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ code: 0, stderr: expect.stringContaining('120 ok') });
  });
});

describe('an output', () => {
  it('has one writer on a system without the flock command, and is free when that writer dies', async () => {
    const output = file('no-flock.jsonl');
    const env = { ...process.env, PATH: '/nonexistent' };
    const first = start([...images, ...TINY, '-o', output, '--batch', '1', '--threads', '1'], env);
    await begins(`${output}.run.lock`);
    first.child.kill('SIGSTOP');
    const second = await start([...images, ...TINY, '-o', output], env).ended;
    expect([second.code, second.stderr]).toEqual([2, expect.stringContaining('E_OUTPUT: another run is writing')]);
    first.child.kill('SIGKILL');
    await first.ended;
    expect((await start([...images, ...TINY, '-o', output, '--resume'], env).ended).code).toBe(0);
    expect(imagesOf(await readFile(output, 'utf8'))).toEqual(images);
  });

  it.each([
    ['folder is deleted', (folder: string) => rm(folder, { recursive: true })],
    ['file is deleted', (folder: string) => rm(join(folder, 'out.jsonl'))],
    [
      'file is replaced',
      async (folder: string) => {
        await writeFile(join(folder, 'new'), 'other');
        await rename(join(folder, 'new'), join(folder, 'out.jsonl'));
      },
    ],
  ])('whose %s ends the run with E_OUTPUT', async (_, act) => {
    const folder = await mkdtemp(join(root, 'vanishing-'));
    const output = join(folder, 'out.jsonl');
    const { child, ended } = start([...images, ...TINY, '-o', output, '--batch', '1', '--threads', '1']);
    await begins(output);
    child.kill('SIGSTOP');
    await act(folder);
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining('E_OUTPUT') });
  });

  it('that is a FIFO without a reader is refused, and no process waits for a reader', async () => {
    execFileSync('mkfifo', [file('fifo.jsonl')]);
    const { child, ended } = start([...images.slice(0, 3), ...TINY, '-o', file('fifo.jsonl')]);
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining('fifo.jsonl is a FIFO that no process reads')]);
    expect(leftOver(child)).toEqual([]);
  });

  it.each([
    ['.run.json', 0],
    ['.run.rows', 0],
    ['.run.tail', 0],
    ['.run.lock', 2],
  ])('does not change the target of a link at its %s', async (sidecar, expected) => {
    const [output, target] = [file(`link${sidecar}.jsonl`), file(`target${sidecar}`)];
    await writeFile(target, 'precious');
    await symlink(target, `${output}${sidecar}`);
    const args = [...images.slice(0, 3), ...TINY, '-o', output];
    for (const more of [[], ['--resume']]) {
      const { code, stderr } = await cli([...args, ...more]);
      expect([code, stderr]).toEqual([
        expected,
        expect.stringContaining(expected === 0 ? '3 ok' : 'is not a lock file'),
      ]);
      expect(await readFile(target, 'utf8')).toBe('precious');
    }
  });

  it.each([
    ['in a folder', (folder: string) => [folder]],
    ['in a pattern', (folder: string) => [join(folder, '*.png')]],
    ['in a list', (folder: string) => ['--files-from', join(folder, 'list.txt')]],
    ['under another name', (folder: string) => [join(folder, 'linked.png')]],
  ])('that is a picture %s is refused, and the picture stays', async (_, inputs) => {
    const folder = await mkdtemp(join(root, 'pictures-'));
    const picture = join(folder, 'one.png');
    await copyFile(fixture('images/rgb.png'), picture);
    await link(picture, join(folder, 'linked.png'));
    await writeFile(join(folder, 'list.txt'), `${picture}\n`);
    const before = await readFile(picture);
    const { code, stderr } = await cli([...inputs(folder), ...TINY, '-f', 'jsonl', '-o', picture]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_USAGE: --output \S+one\.png would overwrite/)]);
    expect((await readFile(picture)).equals(before)).toBe(true);
  });
});
