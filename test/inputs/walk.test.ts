import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOfPath } from '../../src/inputs/path.ts';
import { type Walk, walk } from '../../src/inputs/walk.ts';
import { writeOddNames } from './odd-names.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'walk-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A tree of empty files; a name that ends in a slash is an empty folder. */
async function tree(name: string, ...paths: string[]): Promise<string> {
  const root = join(folder, name);
  await mkdir(root, { recursive: true });
  for (const path of paths) {
    await mkdir(join(root, path, path.endsWith('/') ? '.' : '..'), { recursive: true });
    if (!path.endsWith('/')) await writeFile(join(root, path), '');
  }
  return root;
}

async function found(root: string, options: Partial<Walk> = {}) {
  const paths: string[] = [];
  for await (const path of walk(root, { takes: () => true, ...options })) paths.push(path.slice(root.length + 1));
  return paths;
}

describe('walk', () => {
  it('returns paths in byte order, like LC_ALL=C sort', async () => {
    const root = await tree('order', 'a.png', 'a/z', 'a-b/c', 'B', 'a/b/c', 'a0', '\u{1f408}', '\uffee', 'empty/');
    const paths = await found(root);
    expect(paths).toEqual(['B', 'a-b/c', 'a.png', 'a/b/c', 'a/z', 'a0', '\uffee', '\u{1f408}']);
    expect(paths).toEqual([...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });

  it('finds names of any bytes in folders with names of any bytes', async () => {
    const root = await tree('odd');
    const below = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x80, 0xfe])]);
    await mkdir(below);
    const expected = await writeOddNames(root);
    await writeFile(Buffer.concat([below, Buffer.from('/\u00e9.png')]), '');
    const paths: Buffer[] = [];
    for await (const path of walk(root, { takes: () => true })) paths.push(bytesOfPath(path));
    const inBelow = Buffer.concat([below, Buffer.from('/\u00e9.png')]);
    expect(paths).toEqual([...expected, inBelow].sort(Buffer.compare));
  });

  it('finds hidden files and folders only with the option', async () => {
    const root = await tree('hidden', '.a', '.b/c', 'd');
    expect(await found(root)).toEqual(['d']);
    expect(await found(root, { hidden: true })).toEqual(['.a', '.b/c', 'd']);
  });

  it('skips links unless the option follows them, and says so', async () => {
    const root = await tree('links', 'real/a');
    const outside = await tree('outside', 'secret');
    await symlink(outside, join(root, 'out'));
    await symlink(join(outside, 'secret'), join(root, 'file'));
    const skipped: string[] = [];
    expect(await found(root, { onSkipped: (path) => skipped.push(path) })).toEqual(['real/a']);
    expect(skipped.sort()).toEqual([join(root, 'file'), join(root, 'out')]);
    expect(await found(root, { follow: true })).toEqual(['file', 'out/secret', 'real/a']);
  });

  it('enters no folder twice: a loop, a ring of three, two ways to one', async () => {
    const root = await tree('loops', 'a/x', 'b/y', 'c/z', 'd/w');
    await symlink('..', join(root, 'a/up'));
    await symlink('../b', join(root, 'a/next'));
    await symlink('../c', join(root, 'b/next'));
    await symlink('../a', join(root, 'c/next'));
    await symlink('d', join(root, 'again'));
    const loops: string[][] = [];
    const note = (path: string, before: string) => loops.push([path, before].map((one) => one.slice(root.length + 1)));
    const paths = await found(root, { follow: true, onLoop: note });
    expect(paths).toEqual(['a/next/next/z', 'a/next/y', 'a/x', 'again/w']);
    expect(loops).toEqual([
      ['a/next/next/next', 'a'],
      ['a/up', ''],
      ['b', 'a/next'],
      ['c', 'a/next/next'],
      ['d', 'again'],
    ]);
  });

  it('follows a chain of 40 links, like Linux, and has an error row for a longer chain', async () => {
    const root = await tree('chain', 'real.png');
    for (let n = 1; n <= 41; n++) await symlink(n === 1 ? 'real.png' : `link${n - 1}`, join(root, `link${n}`));
    const paths = await found(root, { follow: true });
    expect(paths).toHaveLength(42);
    expect(await found(root)).toEqual(['real.png']);
  });

  it('has an error row for a broken link that it should follow', async () => {
    const root = await tree('dangling');
    await symlink('nowhere', join(root, 'a.png'));
    expect(await found(root, { follow: true })).toEqual(['a.png']);
  });

  it('continues after a folder that cannot be read, which gets an error row', async () => {
    const root = await tree('gone', 'a/x', 'b/y');
    const paths: string[] = [];
    for await (const path of walk(root, { takes: () => true })) {
      if (paths.length === 0) await rm(join(root, 'b'), { recursive: true });
      paths.push(path.slice(root.length + 1));
    }
    expect(paths).toEqual(['a/x', 'b']);
    await chmod(root, 0o700);
  });

  it('searches as deep as paths can be', async () => {
    const root = await tree('deep', `${'d/'.repeat(1500)}x`);
    expect(await found(root)).toEqual([`${'d/'.repeat(1500)}x`]);
    expect(await found(root, { depth: 1500 })).toEqual([]);
  });
});
