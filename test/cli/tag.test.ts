import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tag-'));
  const names = (await readdir(fixture('images'))).filter((name) => name.endsWith('.png')).slice(0, 2);
  for (const [n, name] of names.entries()) await copyFile(fixture(`images/${name}`), join(folder, `${n}.png`));
});
afterEach(() => rm(folder, { recursive: true }));

const tag = (...args: string[]) =>
  cli(['tag', folder, '-m', fixture('tiny-class'), '-l', 'cat,dog', '--quiet', ...args]);
const rows = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('tag', () => {
  it('writes the first label into sidecars and does not change the pictures; --remove removes it again', async () => {
    const picture = await readFile(join(folder, '0.png'));
    const { code, stdout } = await tag('--parent', 'auto');
    expect(code).toBe(0);
    const [first] = rows(stdout);
    expect(first.sidecar).toBe(join(folder, '0.png.xmp'));
    expect(first.added[1]).toMatch(/^digiKam:TagsList=auto\/(cat|dog)$/u);
    expect(await readFile(join(folder, '0.png'))).toEqual(picture);
    const removed = await cli(['tag', folder, '--remove', '--quiet']);
    expect(rows(removed.stdout)[0].removed).toEqual(first.added);
    expect(await readdir(folder)).toEqual(['0.png', '1.png']);
  });

  it('writes every label that reaches --threshold, and nothing with --dry-run', async () => {
    const { stdout } = await tag('--threshold', '0', '--dry-run');
    expect(rows(stdout)[0].added.filter((one: string) => one.startsWith('dc:'))).toHaveLength(2);
    expect(await readdir(folder)).toEqual(['0.png', '1.png']);
  });

  it('has an error row for a sidecar that cannot be parsed, and does not change it', async () => {
    const broken = '<x:xmpmeta>';
    await writeFile(join(folder, '0.png.xmp'), broken);
    const { code, stdout } = await tag();
    expect(code).toBe(1);
    expect(rows(stdout)[0].error.message).toContain('was left as it is: it is not valid XML');
    expect(rows(stdout)[1].added.length).toBe(3);
    expect(await readFile(join(folder, '0.png.xmp'), 'utf8')).toBe(broken);
  });
});
