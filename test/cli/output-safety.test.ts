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
    await expect.poll(() => readFile(`${output}.run.lock`, 'utf8').catch(() => ''), { timeout: 30_000 }).not.toBe('');
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
    await expect.poll(() => readFile(`${output}.run.lock`, 'utf8').catch(() => ''), { timeout: 30_000 }).not.toBe('');
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
    await expect.poll(() => readFile(output, 'utf8').catch(() => ''), { timeout: 30_000 }).not.toBe('');
    child.kill('SIGSTOP');
    await act(folder);
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining('E_OUTPUT') });
  });

  it('that is a FIFO without a reader can be interrupted by a signal', async () => {
    execFileSync('mkfifo', [file('fifo.jsonl')]);
    const { child, ended } = start([...images.slice(0, 3), ...TINY, '-o', file('fifo.jsonl')]);
    await expect.poll(() => leftOver(child).length, { timeout: 10_000 }).toBeGreaterThan(0);
    await new Promise((done) => setTimeout(done, 1500));
    child.kill('SIGINT');
    const { code } = await ended;
    expect([130, 2]).toContain(code);
    expect(leftOver(child)).toEqual([]);
  });

  it.each(['.run.json', '.run.rows', '.run.tail', '.run.lock'])(
    'beside which %s is a link leaves what the link points to',
    async (sidecar) => {
      const [output, target] = [file(`link${sidecar}.jsonl`), file(`target${sidecar}`)];
      await writeFile(target, 'precious');
      await symlink(target, `${output}${sidecar}`);
      await cli([...images.slice(0, 3), ...TINY, '-o', output]);
      await cli([...images.slice(0, 3), ...TINY, '-o', output, '--resume']);
      expect(await readFile(target, 'utf8')).toBe('precious');
    },
  );

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
    expect([code, stderr]).toEqual([2, expect.stringContaining('E_USAGE')]);
    expect((await readFile(picture)).equals(before)).toBe(true);
  });
});
