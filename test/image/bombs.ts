import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

/** A PNG of nothing but zeros: `width × height` pixels of `channels` samples, as a few bytes a megapixel. */
export function png(width: number, height: number, depth: 8 | 16, colour: 0 | 2 | 6, interlaced = false): Buffer {
  const bytesPerPixel = { 0: 1, 2: 3, 6: 4 }[colour] * (depth / 8);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  const passes = interlaced ? ADAM7 : [[0, 0, 1, 1] as const];
  let length = 0;
  for (const [x, y, right, down] of passes) {
    const columns = Math.ceil((width - x) / right);
    const rows = Math.ceil((height - y) / down);
    if (columns > 0 && rows > 0) length += rows * (1 + columns * bytesPerPixel);
  }
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(length))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** First column and row, and steps, of the seven passes (PNG specification, 8.2). */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

export type Bomb = readonly [name: string, make: () => Promise<Buffer> | Buffer];

const plain = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp({
    create: { width, height, channels, background: { r: 200, g: 30, b: 90, alpha: 0.5 } },
    limitInputPixels: false,
  });

/** Just below the limit of each format: these are decoded with the most memory. */
export const HEAVY: readonly Bomb[] = [
  ['a baseline JPEG of 100 megapixels', () => plain(10_000, 9_990).jpeg().toBuffer()],
  ['the same, lying', () => plain(10_000, 9_990).jpeg().withMetadata({ orientation: 6 }).toBuffer()],
  ['a CMYK JPEG of 100 megapixels', () => plain(10_000, 9_990).toColourspace('cmyk').jpeg().toBuffer()],
  ['a progressive JPEG of 40 megapixels', () => plain(6_320, 6_320).jpeg({ progressive: true }).toBuffer()],
  ['a PNG of 100 megapixels of 8 bytes', () => png(10_000, 9_990, 16, 6)],
  ['an interlaced PNG of 40 megapixels of 8 bytes', () => png(6_320, 6_320, 16, 6, true)],
  ['a PNG a million pixels wide', () => png(1_000_000, 99, 8, 2)],
  ['a PNG a million pixels high', () => png(99, 1_000_000, 8, 2)],
  ['a WebP of 100 megapixels', () => plain(10_000, 9_990).webp({ quality: 1, effort: 0 }).toBuffer()],
  ['a lossless WebP with alpha', () => plain(10_000, 9_990, 4).webp({ lossless: true, effort: 0 }).toBuffer()],
  ['a GIF of 40 megapixels', () => plain(6_320, 6_320).gif({ effort: 1 }).toBuffer()],
  ['a TIFF of 100 megapixels', () => plain(10_000, 9_990).tiff({ compression: 'deflate' }).toBuffer()],
  ['a TIFF of tiles', () => plain(10_000, 9_990).tiff({ compression: 'deflate', tile: true }).toBuffer()],
  ['a TIFF of one strip', () => oneStrip(9_000, 9_000)],
  ['an AVIF with alpha of 40 megapixels', () => plain(6_320, 6_320, 4).avif({ effort: 0, quality: 20 }).toBuffer()],
  [
    'an AVIF of 12 bits and 40 megapixels',
    () => plain(6_320, 6_320, 4).avif({ effort: 0, bitdepth: 12, chromaSubsampling: '4:4:4' }).toBuffer(),
  ],
];

/** A TIFF of 16-bit RGBA in a single strip: eight bytes a pixel at once. */
export function oneStrip(width: number, height: number): Buffer {
  const strip = deflateSync(Buffer.alloc(width * height * 8));
  const fields: readonly (readonly [tag: number, type: 3 | 4, value: number])[] = [
    [256, 4, width],
    [257, 4, height],
    [258, 3, 16],
    [259, 3, 8],
    [262, 3, 2],
    [273, 4, 8],
    [277, 3, 4],
    [278, 4, height],
    [279, 4, strip.length],
    [338, 3, 2],
  ];
  const directory = Buffer.alloc(2 + fields.length * 12 + 4 + 8);
  const after = 8 + strip.length;
  directory.writeUInt16LE(fields.length, 0);
  for (const [n, [tag, type, value]] of fields.entries()) {
    const at = 2 + n * 12;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(tag === 258 ? 4 : 1, at + 4);
    directory.writeUInt32LE(tag === 258 ? after + 2 + fields.length * 12 + 4 : value, at + 8);
  }
  for (let i = 0; i < 4; i++) directory.writeUInt16LE(16, 2 + fields.length * 12 + 4 + i * 2);
  const header = Buffer.from('49492a0000000000', 'hex');
  header.writeUInt32LE(after, 4);
  return Buffer.concat([header, strip, directory]);
}

/** Over the limit: refused before they are decoded. */
export const REFUSED: readonly Bomb[] = [
  ['a PNG of 30,000 × 30,000 pixels', () => resized(png(1, 1, 8, 2), 30_000, 30_000)],
  ['a PNG that is too wide', () => resized(png(1, 1, 8, 2), 9_000_000, 11)],
  ['a progressive JPEG of 41 megapixels', () => jpegHeader(0xc2, 6_404, 6_403)],
  ['a JPEG of 65,500 × 65,500 pixels', () => jpegHeader(0xc0, 65_500, 65_500)],
  [
    'a GIF of 65,535 × 65,535 pixels',
    () => Buffer.from('474946383961ffffffff800000000000ffffff2c00000000ffffffff0002024c01003b', 'hex'),
  ],
  [
    'an SVG of 8,000 × 8,000 pixels',
    () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8000" height="8000"/>'),
  ],
];

function resized(bytes: Buffer, width: number, height: number): Buffer {
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

/** Start of image, one quantisation table, a frame of three components, the start of a scan, its end. */
function jpegHeader(frame: 0xc0 | 0xc2, width: number, height: number): Buffer {
  const table = Buffer.concat([Buffer.from('ffdb004300', 'hex'), Buffer.alloc(64, 1)]);
  const size = Buffer.alloc(4);
  size.writeUInt16BE(height, 0);
  size.writeUInt16BE(width, 2);
  const components = Buffer.from('03011100021100031100', 'hex');
  const scan = Buffer.from(frame === 0xc2 ? 'ffda000c03010002000300000000' : 'ffda000c03010002000300003f00', 'hex');
  return Buffer.concat([
    Buffer.from('ffd8', 'hex'),
    table,
    Buffer.from([0xff, frame, 0, 17, 8]),
    size,
    components,
    scan,
    Buffer.from('ffd9', 'hex'),
  ]);
}
