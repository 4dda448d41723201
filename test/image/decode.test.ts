import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { MAX_FILE_BYTES, readSource, sourceOfText } from '../../src/image/source.ts';
import { fixture } from '../paths.ts';
import { oneStrip } from './bombs.ts';

/** A picture of 5 × 4 pixels with every value different. */
const pixels = Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256);
const picture = () => sharp(pixels, { raw: { width: 5, height: 4, channels: 3 } });
const read = async (bytes: Promise<Buffer>, options = {}) =>
  decode(await bytes, 'x', { ...DEFAULT_DECODE, ...options });

describe('decode', () => {
  it.each(['png', 'tiff', 'webp'] as const)('gives the pixels of a lossless %s', async (format) => {
    const image = await read(picture().toFormat(format, { lossless: true, compression: 'none' }).toBuffer());
    expect(image).toMatchObject({ width: 5, height: 4 });
    expect([...image.data]).toEqual([...pixels]);
  });

  it('reads AVIF', async () => {
    const image = await read(picture().resize(64, 64).avif({ lossless: true, chromaSubsampling: '4:4:4' }).toBuffer());
    expect(image).toMatchObject({ width: 64, height: 64 });
    expect(image.data).toHaveLength(64 * 64 * 3);
  });

  it('drops alpha instead of blending it', async () => {
    const clear = await picture().ensureAlpha(0).png().toBuffer();
    expect([...(await decode(clear, 'x', DEFAULT_DECODE)).data]).toEqual([...pixels]);
  });

  it('repeats grey in three channels, also with 16 bits, which Pillow would saturate', async () => {
    const grey = await sharp(Uint8Array.from([0, 100, 255]), { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png({ bitdepth: 16 } as object)
      .toBuffer();
    expect((await sharp(grey).metadata()).depth).toBe('ushort');
    expect([...(await decode(grey, 'x', DEFAULT_DECODE)).data]).toEqual([0, 0, 0, 100, 100, 100, 255, 255, 255]);
  });

  it('leaves a TIFF of 16 bits with more than 40 million pixels to libvips, which needs less memory', async () => {
    const image = await decode(oneStrip(8_200, 5_000), 'x', DEFAULT_DECODE, 224);
    expect(image.data[0]).toBe(0);
  });

  it('gives CMYK as RGB', async () => {
    const red = sharp({ create: { width: 8, height: 8, channels: 3, background: '#c03020' } });
    const { data } = await read(red.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer());
    expect(data).toHaveLength(8 * 8 * 3);
    // Through two colour spaces and back: near, not equal.
    for (const [i, value] of [0xc0, 0x30, 0x20].entries())
      expect(Math.abs((data[i] as number) - value)).toBeLessThan(40);
  });

  // What the eight orientations mean (EXIF 2.32, tag 0x0112): where the stored pixel (x, y) of w × h is shown.
  it.each([
    [1, (x: number, y: number) => [x, y]],
    [2, (x: number, y: number, w: number) => [w - 1 - x, y]],
    [3, (x: number, y: number, w: number, h: number) => [w - 1 - x, h - 1 - y]],
    [4, (x: number, y: number, _: number, h: number) => [x, h - 1 - y]],
    [5, (x: number, y: number) => [y, x]],
    [6, (x: number, y: number, _: number, h: number) => [h - 1 - y, x]],
    [7, (x: number, y: number, w: number, h: number) => [h - 1 - y, w - 1 - x]],
    [8, (x: number, y: number, w: number) => [y, w - 1 - x]],
  ] as const)('turns orientation %i upright, or leaves it', async (orientation, shown) => {
    const bytes = picture().withMetadata({ orientation }).png().toBuffer();
    const upright = await read(bytes);
    expect([upright.width, upright.height]).toEqual(orientation > 4 ? [4, 5] : [5, 4]);
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 5; x++) {
        const [toX = 0, toY = 0] = shown(x, y, 5, 4);
        const at = (toY * upright.width + toX) * 3;
        expect([...upright.data.slice(at, at + 3)]).toEqual([...pixels.slice((y * 5 + x) * 3, (y * 5 + x) * 3 + 3)]);
      }
    }
    expect([...(await read(bytes, { exif: false })).data]).toEqual([...pixels]);
  });

  it.each([
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', 'E_FORMAT'],
    ['text', 'hello', 'E_FORMAT'],
    ['PDF', '%PDF-1.7', 'E_FORMAT'],
    ['the mere beginning of a PNG', '\x89PNG\r\n\x1a\n', 'E_DECODE'],
    ['the mere beginning of a JPEG', '\xff\xd8\xff\xe0', 'E_DECODE'],
    ['the mere beginning of a HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'E_DECODE'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(decode(Buffer.from(bytes, 'latin1'), 'x', DEFAULT_DECODE)).rejects.toMatchObject({ code });
  });

  it('refuses a truncated JPEG', async () => {
    const bytes = await picture().resize(200, 200).jpeg().toBuffer();
    await expect(decode(bytes.subarray(0, bytes.length / 2), 'x', DEFAULT_DECODE)).rejects.toMatchObject({
      code: 'E_DECODE',
    });
  });

  it('refuses too many pixels before decoding them', async () => {
    // 30,000 × 30,000 pixels in a header, without any pixel data.
    const header = Buffer.from(
      '89504e470d0a1a0a 0000000d 49484452 00007530 00007530 0802000000 e9456fed 00000000 49444154 35af061e'.replaceAll(
        ' ',
        '',
      ),
      'hex',
    );
    await expect(decode(header, 'x', DEFAULT_DECODE)).rejects.toMatchObject({ code: 'E_PIXEL_LIMIT' });
    await expect(read(picture().png().toBuffer(), { maxPixels: 19 })).rejects.toMatchObject({ code: 'E_PIXEL_LIMIT' });
    await expect(read(picture().png().toBuffer(), { maxPixels: 20 })).resolves.toMatchObject({ width: 5 });
  });
});

describe('readSource', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'source-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('takes bytes with a name', async () => {
    expect([...(await readSource({ kind: 'bytes', name: 'x', bytes: Uint8Array.of(1, 2) }))]).toEqual([1, 2]);
  });

  it.each([
    ['a file that is not there', 'nothing.jpg', 'E_NOT_FOUND'],
    ['a path through a file', 'file.jpg/x.jpg', 'E_NOT_FOUND'],
    ['a folder', '.', 'E_UNREADABLE'],
    ['an empty file', 'empty.jpg', 'E_DECODE'],
    ['a file over the limit', 'huge.jpg', 'E_FILE_SIZE'],
  ])('refuses %s', async (_, name, code) => {
    await writeFile(join(folder, 'file.jpg'), 'x');
    await writeFile(join(folder, 'empty.jpg'), '');
    await writeFile(join(folder, 'huge.jpg'), '');
    await truncate(join(folder, 'huge.jpg'), MAX_FILE_BYTES + 1); // sparse
    await expect(readSource(sourceOfText(join(folder, name)))).rejects.toMatchObject({ code });
  });

  it('refuses a device at once', async () => {
    await expect(readSource(sourceOfText('/dev/zero'))).rejects.toMatchObject({ code: 'E_UNREADABLE' });
  });

  it('reads a file whole', async () => {
    const bytes = await readSource(sourceOfText(fixture('images/rgb.png')));
    expect(Buffer.from(bytes).subarray(-8).toString('latin1')).toContain('IEND');
  });
});
