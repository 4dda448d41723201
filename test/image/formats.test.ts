import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { countPages } from '../../src/image/pages.ts';
import { makeTiff, picture } from './made-tiff.ts';

const [WIDTH, HEIGHT] = [200, 150] as const;
/** A smooth picture: JPEG keeps it within two levels. */
const pixels = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
  const [x, y, c] = [Math.trunc(i / 3) % WIDTH, Math.trunc(i / 3 / WIDTH), i % 3];
  return Math.round([x, y, (x + y) / 2][c] as number);
});
const raw = { raw: { width: WIDTH, height: HEIGHT, channels: 3 } } as const;
const jpeg = () => sharp(pixels, raw).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
const small = () => sharp(pixels, raw).resize(40, 30).removeAlpha().raw().toBuffer();
const read = (bytes: Uint8Array, options = {}, wanted?: number) =>
  decode(bytes, 'x', { ...DEFAULT_DECODE, ...options }, wanted);

/** The mean difference in levels. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += Math.abs((a[n] as number) - (b[n] as number));
  return sum / a.length;
}

describe('a JPEG that decoders warn about', () => {
  it('is read like the plain one if the warning is harmless', async () => {
    const plain = await jpeg();
    const stray = Buffer.concat([plain.subarray(0, 20), Buffer.alloc(16, 1), plain.subarray(20)]);
    const [a, b] = [await read(plain), await read(stray)];
    expect(Buffer.compare(Buffer.from(a.data), Buffer.from(b.data))).toBe(0);
    expect(b.notes).toEqual([expect.stringContaining('extraneous bytes')]);
  });

  it('is refused if it is truncated, with the same text alone and among others', async () => {
    const plain = await jpeg();
    const cut = plain.subarray(0, plain.length / 2);
    const text = (bytes: Uint8Array) =>
      read(bytes).then(
        () => 'read',
        (error: Error) => error.message,
      );
    const alone = await text(cut);
    const png = await sharp(pixels, raw).png().toBuffer();
    const others = await Promise.all([png.subarray(0, 900), cut, png.subarray(0, 700), cut, cut].map(text));
    expect(alone).toContain('cut short');
    expect([others[1], others[3], others[4]]).toEqual([alone, alone, alone]);
  });
});

describe('TIFF', () => {
  const values = (scale: (value: number) => number) => Float32Array.from(pixels, scale);
  const float = { 258: [32, 32, 32], 339: [3, 3, 3] };

  it.each([
    ['floating point from 0 to 1', float, () => Buffer.from(values((v) => v / 255).buffer)],
    ['floating point from 0 to 255', float, () => Buffer.from(values((v) => v).buffer)],
    [
      '12 bits inside 16, undeclared',
      { 258: [16, 16, 16] },
      () => Buffer.from(Uint16Array.from(pixels, (v) => v * 16).buffer),
    ],
    ['32 bits', { 258: [32, 32, 32] }, () => Buffer.from(Uint32Array.from(pixels, (v) => v * 0x01010101).buffer)],
  ])('shows %s as it was made', async (_, tags, strip) => {
    const tiff = makeTiff([{ tags: picture(WIDTH, HEIGHT, tags), strip: strip() }]);
    expect(distance((await read(tiff)).data, pixels)).toBeLessThan(1);
  });

  it('refuses floating point of an unknown range', async () => {
    const strip = Buffer.from(values((v) => v * 100).buffer);
    const tiff = makeTiff([{ tags: picture(WIDTH, HEIGHT, float), strip }]);
    await expect(read(tiff)).rejects.toMatchObject({ code: 'E_FORMAT' });
  });

  it('converts luminance and colour differences to RGB by ITU-R BT.601', async () => {
    const strip = Uint8Array.from([76, 85, 255, 150, 44, 21, 29, 255, 107]); // red, green, blue
    const tags = picture(3, 1, { 262: [6], 530: [1, 1] });
    const { data } = await read(makeTiff([{ tags, strip }]));
    expect(distance(data, [255, 0, 0, 0, 255, 0, 0, 0, 255])).toBeLessThan(2);
  });

  it('skips a reduced page, and finds the picture in a sub-directory', async () => {
    const reduced = { tags: picture(40, 30, { 254: [1] }), strip: await small() };
    const full = { tags: picture(WIDTH, HEIGHT), strip: pixels };
    for (const tiff of [makeTiff([reduced, full]), makeTiff([{ ...reduced, sub: [full] }])]) {
      const image = await read(tiff);
      expect([image.width, image.height, distance(image.data, pixels)]).toEqual([WIDTH, HEIGHT, 0]);
      expect(countPages(tiff)).toBe(1);
    }
  });

  it('reads the page that is asked for', async () => {
    const second = Uint8Array.from(pixels, (value) => 255 - value);
    const tiff = makeTiff([pixels, second].map((strip) => ({ tags: picture(WIDTH, HEIGHT), strip })));
    expect(countPages(tiff)).toBe(2);
    expect(distance((await read(tiff, { page: 2 })).data, second)).toBe(0);
    await expect(read(tiff, { page: 3 })).rejects.toMatchObject({ code: 'E_DECODE' });
  });
});

describe('camera RAW', () => {
  const nef = async (preview: Uint8Array, orientation = 1) =>
    makeTiff([
      {
        tags: picture(40, 30, { 254: [1], 271: 'NIKON CORPORATION', 274: [orientation] }),
        strip: await small(),
        sub: [
          { tags: { 254: [1], 259: [6] }, jpeg: preview },
          { tags: { 256: [24], 257: [16], 258: [16], 259: [1], 262: [32803] }, strip: new Uint8Array(768) },
        ],
      },
    ]);
  const raf = (preview: Uint8Array) => {
    const header = Buffer.alloc(100);
    header.write('FUJIFILMCCD-RAW ');
    header.writeUInt32BE(100, 84);
    header.writeUInt32BE(preview.length, 88);
    return Buffer.concat([header, preview]);
  };
  const cr3 = (preview: Uint8Array) => {
    const box = (type: string, ...content: readonly Uint8Array[]) => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(8 + content.reduce((sum, part) => sum + part.length, 0));
      return Buffer.concat([size, Buffer.from(type, 'latin1'), ...content]);
    };
    const header = Buffer.alloc(16);
    header.writeUInt32BE(preview.length, 12);
    const id = Buffer.from('eaf42b5e1c984b88b9fbb7dc406e4d16', 'hex');
    return Buffer.concat([
      box('ftyp', Buffer.from('crx \0\0\0\x01crx isom', 'latin1')),
      box('uuid', id, Buffer.alloc(8), box('PRVW', header, preview)),
    ]);
  };

  it.each([
    ['NEF', nef],
    ['RAF', async (preview: Uint8Array) => raf(preview)],
    ['CR3', async (preview: Uint8Array) => cr3(preview)],
  ] as const)('gives the embedded JPEG of a %s, not its thumbnail', async (_, make) => {
    const image = await read(await make(await jpeg()), {}, 32);
    expect([image.width, image.height]).toEqual([WIDTH, HEIGHT]);
    expect(distance(image.data, pixels)).toBeLessThan(2);
  });

  it('rotates the JPEG by the orientation of the RAW file', async () => {
    const image = await read(await nef(await jpeg(), 6), {}, 32);
    expect([image.width, image.height]).toEqual([HEIGHT, WIDTH]);
  });

  it('refuses a file whose only JPEG is a thumbnail or smaller than the input of the model', async () => {
    const thumbnail = await sharp(pixels, raw).resize(160, 120).jpeg().toBuffer();
    await expect(read(raf(thumbnail), {}, 32)).rejects.toMatchObject({ code: 'E_FORMAT' });
    await expect(read(raf(await jpeg()), {}, 224)).rejects.toMatchObject({ code: 'E_FORMAT' });
  });
});

describe('BMP', () => {
  it.each([
    ['from the bottom up', HEIGHT],
    ['from the top down', -HEIGHT],
  ])('reads 24 bits %s', async (_, height) => {
    const header = Buffer.alloc(54);
    header.write('BM');
    header.writeUInt32LE(54, 10);
    header.writeUInt32LE(40, 14);
    header.writeInt32LE(WIDTH, 18);
    header.writeInt32LE(height, 22);
    header.writeUInt16LE(1, 26);
    header.writeUInt16LE(24, 28);
    const lines = Array.from({ length: HEIGHT }, (_, n) => {
      const y = height > 0 ? HEIGHT - 1 - n : n;
      const line = pixels.slice(y * WIDTH * 3, (y + 1) * WIDTH * 3);
      for (let x = 0; x < line.length; x += 3) line.subarray(x, x + 3).reverse();
      return line;
    });
    expect(distance((await read(Buffer.concat([header, ...lines]))).data, pixels)).toBe(0);
  });
});

describe('files of other kinds', () => {
  it.each([
    ['<!DOCTYPE html><html>', 'web page'],
    ['version https://git-lfs.github.com/spec/v1\n', 'Git LFS'],
    ['%PDF-1.7\n', 'PDF'],
    ['\0\0\0\x18ftypmp42', 'video'],
    ['PK\x03\x04', 'zip'],
    ['\xff\x0a\xfa\x1f', 'djxl'],
  ])('are named: %j', async (start, word) => {
    await expect(read(Buffer.from(start, 'latin1'))).rejects.toThrow(word);
  });
});

describe('transparent pixels', () => {
  it('take the background colour if there is one', async () => {
    const clear = await sharp({
      create: { width: 2, height: 1, channels: 4, background: { r: 255, g: 0, b: 255, alpha: 0 } },
    })
      .png()
      .toBuffer();
    expect([...(await read(clear)).data.slice(0, 3)]).toEqual([255, 0, 255]);
    expect([...(await read(clear, { background: [0, 128, 0] })).data.slice(0, 3)]).toEqual([0, 128, 0]);
  });
});
