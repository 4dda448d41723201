import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../image/server.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

const ARGS = ['-l', 'cat,dog', '-m', fixture('tiny-class'), '--threads', '1'];
const image = fixture('images/rgb.png');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'explain-'));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const digestOf = async (file: string) =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

describe('--explain', () => {
  it('draws the first label next to the row, and prints the range', async () => {
    const { code, stdout, stderr } = await cli([image, ...ARGS, '--explain', at('first.png')]);
    expect(code).toBe(0);
    expect(stdout).toBe((await cli([image, ...ARGS])).stdout);
    expect(stderr).toMatch(/first\.png: "cat" in 4 × 4 patches, cosine from -?0\.\d{3} .* to -?0\.\d{3} .*\n$/);
    const { format, width, height } = await sharp(at('first.png')).metadata();
    expect([format, width, height]).toEqual(['png', 3 * 24 + 2 * 640, 84 + 656 + 44]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('draws the named label in any letter case, and prints nothing with --quiet', async () => {
    const named = await cli([image, ...ARGS, '--explain', at('dog.png'), '--explain-label', 'DOG']);
    expect(named.stderr).toContain('"dog"');
    const quiet = await cli([image, ...ARGS, '--explain', at('quiet.png'), '--explain-label', 'dog', '--quiet']);
    expect([quiet.code, quiet.stderr]).toEqual([0, '']);
    expect(await digestOf(at('quiet.png'))).toBe(await digestOf(at('dog.png')));
    await cli([image, ...ARGS, '--explain', at('cat.png')]);
    expect(await digestOf(at('cat.png'))).not.toBe(await digestOf(at('dog.png')));
  });

  it('reads standard input once for both', async () => {
    const stdin = await readFile(image);
    const { code, stderr } = await cli(['-', ...ARGS, '--explain', at('stdin.png')], { stdin });
    expect([code, stderr]).toEqual([0, expect.stringContaining('"cat"')]);
    await cli([image, ...ARGS, '--explain', at('file.png')]);
    expect(await digestOf(at('stdin.png'))).toBe(await digestOf(at('file.png')));
  });

  it('downloads a URL once for both', async () => {
    const bytes = await readFile(image);
    const server = await serve({ '/cat.png': (_, response) => response.end(bytes) });
    const url = `${server.origin}/cat.png`;
    const { code, stdout } = await cli([url, ...ARGS, '--explain', at('fetched.png'), '--explain-label', 'dog']);
    await server.close();
    expect([code, JSON.parse(stdout).image, server.seen]).toEqual([0, url, ['/cat.png']]);
    expect(await digestOf(at('fetched.png'))).toBe(await digestOf(at('dog.png')));
  });

  it('draws nothing for an image with an error row', async () => {
    const { code, stdout } = await cli([at('nothing.jpg'), ...ARGS, '--explain', at('nothing.png')]);
    expect([code, JSON.parse(stdout).error.code]).toEqual([1, 'E_NOT_FOUND']);
    expect(await readdir(folder)).not.toContain('nothing.png');
  });

  it('reports impossible options before the work', async () => {
    await copyFile(image, at('photo.png'));
    await mkdir(at('folder.png'));
    const other = fixture('images/odd.jpg');
    const cases = [
      [[image, other, '--explain', at('x.png')], 'E_USAGE', 'several'],
      [['--from', at('x.npy'), '--explain', at('x.png')], 'E_USAGE', '--explain does not work with --from'],
      [[image, '--explain', at('x.jpg')], 'E_USAGE', 'PNG'],
      [[image, '--explain-label', 'cat'], 'E_USAGE', '--explain-label needs --explain'],
      [[image, '--explain', at('x.png'), '--explain-label', 'bird'], 'E_LABELS', 'bird'],
      [[at('photo.png'), '--explain', at('photo.png')], 'E_USAGE', 'would overwrite'],
      [[image, '-f', 'jsonl', '-o', at('x.png'), '--explain', at('x.png')], 'E_USAGE', '--output'],
      [[image, '--explain', at('no/such/x.png')], 'E_OUTPUT', 'no/such'],
      [[image, '--explain', at('folder.png')], 'E_OUTPUT', 'folder.png'],
    ] as const;
    for (const [args, errorCode, text] of cases) {
      const { code, stdout, stderr } = await cli([...args, ...ARGS]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(errorCode);
      expect(stderr).toContain(text);
    }
    expect(await digestOf(at('photo.png'))).toBe(await digestOf(image));
    expect(await readdir(folder)).not.toContain('x.png');
  });
});
