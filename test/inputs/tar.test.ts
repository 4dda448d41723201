import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { copyFile, link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageError } from '../../src/errors.ts';
import { type ImageSource, identityOf } from '../../src/image/source.ts';
import { type ImageOptions, imagePaths, namedTars } from '../../src/inputs/images.ts';
import { LeftOut } from '../../src/inputs/left-out.ts';
import { parseShard } from '../../src/inputs/shard.ts';
import { sampleName } from '../../src/inputs/tar/sample.ts';
import { fixture } from '../paths.ts';
import { damagedCopies } from './damaged.ts';

let folder: string;
const here = (name: string) => join(folder, name);
const LONG = `${'x'.repeat(150)}.png`;

/** Packs files of the folder with the tar of the system. */
function pack(name: string, files: readonly string[], ...options: readonly string[]): string {
  execFileSync('tar', [...options, '-cf', here(name), '-C', folder, '--', ...files]);
  return here(name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tar-'));
  await mkdir(here('d'));
  const picture = fixture('images/rgb.png');
  for (const name of ['a.png', 'a.txt', 'b.PNG', LONG, 'ü€.png', '.hidden.png', '__meta__', 'none'])
    await copyFile(picture, here(`d/${name}`));
  await copyFile(picture, Buffer.concat([Buffer.from(here('d/')), Buffer.of(0xff), Buffer.from('.png')]));
  await writeFile(here('d/a.json'), '{"width":24}');
  await writeFile(here('d/a.txt'), 'a grey cat');
  await writeFile(here('d/b.txt'), 'a dog');
  await symlink('a.png', here('d/link.png'));
  await link(here('d/a.png'), here('d/hard.png'));
});
afterAll(() => rm(folder, { recursive: true }));

async function imagesIn(args: string[], options: ImageOptions = {}): Promise<ImageSource[]> {
  const images: ImageSource[] = [];
  for await (const image of imagePaths(args, { tars: [], ...options })) images.push(image);
  return images;
}
const names = (images: readonly ImageSource[]) => images.map((image) => image.name.replace(`${folder}/`, ''));
const errorOf = (image: ImageSource | undefined): Promise<ImageError> =>
  image?.kind === 'stream'
    ? image.read().then(
        () => expect.fail('it can be read'),
        (error) => error,
      )
    : expect.fail('it is not a stream');
const failure = async (image: ImageSource | undefined) => (await errorOf(image)).code;
const message = async (image: ImageSource | undefined) => (await errorOf(image)).message;
const bytesOf = (image: ImageSource | undefined) => (image?.kind === 'bytes' ? Buffer.from(image.bytes) : undefined);

describe('the images in a tar', () => {
  const expected = ['d/a.png', 'd/b.PNG', `d/${LONG}`, 'd/ü€.png'];
  const files = [...expected, 'd/a.json', 'd/.hidden.png', 'd/__meta__', 'd/none', 'd/link.png', 'd/hard.png'];

  // What GNU tar writes is read back; ustar and v7 have no room for the long name.
  it.each(['gnu', 'oldgnu', 'posix', 'ustar', 'v7'])(
    'are its pictures, byte for byte, in the format %s',
    async (format) => {
      const fits = (name: string) => !/ustar|v7/u.test(format) || !name.includes(LONG);
      const tar = pack(`${format}.tar`, files.filter(fits), `--format=${format}`);
      const leftOut = new LeftOut();
      const images = await imagesIn([tar], { leftOut });
      expect(names(images)).toEqual(expected.filter(fits).map((name) => `${format}.tar/${name}`));
      const picture = await readFile(fixture('images/rgb.png'));
      for (const image of images) expect(bytesOf(image)?.equals(picture)).toBe(true);
      expect(leftOut.summary()).toMatch(/^left out: 2 tar links/u);
    },
  );

  it('are named after their member, with any name: nothing is unpacked', async () => {
    const tar = pack('evil.tar', ['d/a.png'], '-P', '--transform=s,^d/,../../,');
    pack('absolute.tar', ['d/a.png'], '-P', '--transform=s,^d/,/tmp/,');
    expect(names(await imagesIn([tar, here('absolute.tar')]))).toEqual([
      'evil.tar/../../a.png',
      'absolute.tar//tmp/a.png',
    ]);
  });

  it('keep names of any bytes', async () => {
    const images = await imagesIn([pack('bytes.tar', ['d'], '--format=gnu')]);
    const odd = images.find((one) => identityOf(one).pathBytes !== undefined);
    expect(Buffer.from(odd ? (identityOf(odd).pathBytes ?? []) : []).toString('latin1')).toBe(
      `${here('bytes.tar')}/d/\xff.png`,
    );
  });

  it('are read from gzip and zstd, with any file name, and from standard input', async () => {
    const tar = await readFile(pack('plain.tar', expected));
    await writeFile(here('z.tar'), gzipSync(tar));
    execFileSync('zstd', ['-q', '-f', here('plain.tar'), '-o', here('z.tar.zst')]);
    for (const name of ['z.tar', 'z.tar.zst'])
      expect(names(await imagesIn([here(name)]))).toEqual(expected.map((one) => `${name}/${one}`));
    const stdin = () => Readable.from([tar.subarray(0, 3), tar.subarray(3, 700), tar.subarray(700)]);
    expect(names(await imagesIn([], { tars: ['-'], stdin }))).toEqual(expected.map((one) => `-/${one}`));
  });

  it('have a named error for a sparse file, an xz tar, a missing file and a folder', async () => {
    execFileSync('truncate', ['-s', '1M', here('d/sparse.png')]);
    execFileSync('sh', ['-c', `echo x >> '${here('d/sparse.png')}'`]);
    for (const format of ['gnu', 'oldgnu', 'posix']) {
      const images = await imagesIn([
        pack('sparse.tar', ['d/sparse.png', 'd/a.png'], '--sparse', `--format=${format}`),
      ]);
      expect(names(images)).toEqual(['sparse.tar/d/sparse.png', 'sparse.tar/d/a.png']);
      expect(await failure(images[0])).toBe('E_FORMAT');
    }
    await writeFile(here('x.tar'), Buffer.from('\xfd7zXZ\0\0\x04', 'latin1'));
    await mkdir(here('folder.tgz'));
    const images = await imagesIn([], {
      tars: [here('x.tar'), here('nothing.tar'), here('folder.tgz'), here('d/a.png')],
    });
    expect(await Promise.all(images.map(failure))).toEqual(['E_FORMAT', 'E_NOT_FOUND', 'E_UNREADABLE', 'E_FORMAT']);
  });

  it('carry the texts of their own sample', async () => {
    const tar = pack('carry.tar', ['d/a.json', 'd/a.png', 'd/a.txt', 'd/b.PNG', 'd/b.txt', 'd/ü€.png']);
    const images = await imagesIn([tar], { carry: ['txt', 'json'] });
    expect(images.map((image) => identityOf(image).sample)).toEqual([
      { key: 'd/a', carried: { txt: 'a grey cat', json: { width: 24 } } },
      { key: 'd/b', carried: { txt: 'a dog', json: null } },
      { key: 'd/ü€', carried: { txt: null, json: null } },
    ]);
  });

  it('have the key and extension of WebDataset', () => {
    // webdataset 1.0.2, tariterators.base_plus_ext and its filters
    const golden = [
      ['img.v2.jpg', 'img', 'v2.jpg'],
      ['dir.v1/k.CLS', 'dir.v1/k', 'cls'],
      ['d/1.seg.png', 'd/1', 'seg.png'],
      ['./a.jpg', './a', 'jpg'],
      ['/abs/a.jpg', '/abs/a', 'jpg'],
    ];
    for (const [name = '', key, extension] of golden) expect(sampleName(name)).toEqual({ key, extension });
    for (const name of ['__info__', 'd/.hidden.jpg', 'd.x/none']) expect(sampleName(name)).toBeUndefined();
  });

  it('come from each tar of a pattern with braces: a missing one has an error, as if a shell had expanded the pattern', async () => {
    const paths = ['n-08.tar', 'n-10.tar'].map((name) => pack(name, ['d/a.png']));
    const images = await imagesIn([here('n-{08..10}.tar')]);
    expect(names(images)).toEqual(['n-08.tar/d/a.png', 'n-09.tar', 'n-10.tar/d/a.png']);
    expect(await failure(images[1])).toBe('E_NOT_FOUND');
    const named: string[] = [];
    for await (const tar of namedTars([here('n-{08..10}.tar')], { tars: [] })) named.push(tar);
    expect(named).toEqual([paths[0], here('n-09.tar'), paths[1]]);
    expect(names(await imagesIn([here('n-{0,1}*.tar')]))).toHaveLength(2); // a wildcard takes what there is
    await expect(imagesIn([here('n-{0..1000000000}.tar')])).rejects.toThrow('is too long');
  });

  it('at an address have an error that says how to read them', async () => {
    const addresses = ['https://me:secret@example.org/a.tar?b=c', 's3://bucket/{0..1}.tar', 'hf://a/b.tar'];
    const images = await imagesIn([addresses[0] ?? '', addresses[1] ?? ''], { tars: [addresses[2] ?? ''] });
    expect(names(images)).toEqual([
      'https://example.org/a.tar?b=c',
      's3://bucket/0.tar',
      's3://bucket/1.tar',
      'hf://a/b.tar',
    ]);
    const advice = await Promise.all(images.map(message));
    expect(advice[0]).toContain("use curl -fsSL 'https://example.org/a.tar?b=c' | clip-classify … --tar -");
    expect(advice[2]).toContain("aws s3 cp 's3://bucket/1.tar' - |");
    expect(advice[3]).toContain('download it first');
    expect(names(await imagesIn([`file://${here('n-08.tar')}`]))).toHaveLength(1);
  });

  it('are none in a tar of other files, which has a warning, and an error if it is empty', async () => {
    const warnings: string[] = [];
    const leftOut = new LeftOut();
    const options = { onWarning: (text: string) => warnings.push(text), onNothing: expect.fail, leftOut };
    const tars = [pack('texts.tar', ['d/a.txt', 'd/a.json']), pack('folder.tar', ['d'], '--no-recursion')];
    await writeFile(here('list.txt'), tars[0] ?? '');
    const all = { ...options, tars: [tars[1] ?? '', tars[0] ?? ''], filesFrom: here('list.txt') };
    expect(await imagesIn(tars, all)).toEqual([]);
    const [texts, folders] = [
      `${tars[0]} contains no pictures (2 members)`,
      `${tars[1]} contains no pictures (0 members)`,
    ];
    expect(warnings).toEqual([texts, folders, folders, texts, texts]);
    expect(leftOut.otherFiles).toBe(6);
    const [empty] = await imagesIn([], { tars: ['-'], stdin: () => Readable.from([]) });
    expect(await failure(empty)).toBe('E_DECODE');
    expect(await message(empty)).toBe('standard input is empty (0 bytes); check the command before the pipe');
  });

  it('are not searched for in the tars of a folder, which are counted', async () => {
    const leftOut = new LeftOut();
    await mkdir(here('mixed'));
    for (const name of ['a.png', 'b.tar', 'c.tar.gz']) await writeFile(here(`mixed/${name}`), '');
    expect(names(await imagesIn([here('mixed')], { leftOut }))).toEqual(['mixed/a.png']);
    expect(leftOut.summary()).toMatch(/^left out: 2 tars \(classify and embed read them/u);
  });

  it('belong to the shard of their tar', async () => {
    const tars = [1, 2, 3, 4, 5].map((n) => pack(`share-${n}.tar`, ['d/a.png', 'd/b.PNG']));
    const shares = await Promise.all(
      ['1/2', '2/2'].map(async (shard) => names(await imagesIn(tars, { shard: parseShard(shard) }))),
    );
    expect(shares.flat().sort()).toEqual(names(await imagesIn(tars)).sort());
    for (const share of shares) expect(share.length % 2).toBe(0);
  });

  it('leave nothing behind when their tar has been read: there may be thousands of tars', async () => {
    const tars = Array.from({ length: 12 }, (_, n) => pack(`many-${n}.tar`, ['d/a.png']));
    const { signal } = new AbortController();
    const most: number[] = [];
    for await (const _ of imagePaths(tars, { tars: [], signal })) most.push(getEventListeners(signal, 'abort').length);
    expect(most).toHaveLength(12);
    expect(Math.max(...most)).toBeLessThanOrEqual(2);
  });

  it('are refused by commands that do not read tars', async () => {
    await expect(async () => {
      for await (const _ of imagePaths([here('plain.tar')], {}));
    }).rejects.toThrow('is a tar, and this command does not read tars');
  });

  it('end with an error row where the tar is damaged, after those before it; 200 damaged copies neither hang nor crash', async () => {
    const whole = await readFile(pack('whole.tar', ['d/a.json', 'd/a.png', 'd/b.PNG', 'd/ü€.png']));
    await mkdir(here('damaged'));
    let failed = 0;
    for (const tar of await damagedCopies(whole, here('damaged'), 200, 31)) {
      // A whole tar may be left, whose pictures have damaged names.
      const images = await imagesIn([tar]).catch((error: Error) => {
        expect(error.message).toContain('contains no images');
        return [];
      });
      for (const [m, image] of images.entries()) {
        const isLast = m === images.length - 1;
        if (image.name !== tar) continue;
        expect(isLast).toBe(true);
        expect(await failure(image)).toMatch(/^E_(FORMAT|DECODE)$/u);
        failed++;
      }
    }
    expect(failed).toBeGreaterThan(60);
  });

  it('come with a warning if the tar has no end mark, such as a tar truncated between two members', async () => {
    const tar = await readFile(pack('cut.tar', ['d/a.json', 'd/a.png']));
    await writeFile(here('cut.tar'), tar.subarray(0, 1024));
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    await imagesIn([here('cut.tar'), here('whole.tar')], { onWarning });
    expect(warnings).toEqual([`${here('cut.tar')} has no end-of-archive block; it may be truncated after 1 member`]);
  });
});
