import { type MadeDirectory, makeTiff, picture } from './made-tiff.ts';

export const RAW_KINDS = ['CR2', 'CR3', 'NEF', 'ARW', 'DNG', 'RAF', 'ORF', 'RW2'] as const;
export type RawKind = (typeof RAW_KINDS)[number];

export interface RawParts {
  readonly jpeg: Uint8Array;
  readonly thumbnail: Uint8Array;
  /** EXIF orientation; of a RAF it stands in its JPEG. */
  readonly orientation: number;
}

const [CFA, LOSSLESS, UNCOMPRESSED] = [32803, 7, 1] as const;

/** The sensor's own data: a lossless JPEG, which is not a photograph. */
const sensorJpeg = Buffer.concat([Buffer.from('ffd8ffc3000b0e009600c8011100', 'hex'), Buffer.alloc(2000)]);
const sensor = (compression: number): MadeDirectory => ({
  tags: { 254: [0], 256: [200], 257: [150], 258: [14], 259: [compression], 262: [CFA], 277: [1] },
  strip: compression === LOSSLESS ? sensorJpeg : Buffer.alloc(2000),
});

/** The smallest file of a kind that has what readers look for (ExifTool's modules describe the kinds). No camera made it. */
export function makeRaw(kind: RawKind, { jpeg, thumbnail, orientation }: RawParts): Buffer {
  const said = (make: string) => ({ 271: make, 274: [orientation] });
  const rgb = Buffer.alloc(160 * 120 * 3, 77);
  switch (kind) {
    case 'NEF':
      return makeTiff([
        {
          tags: picture(160, 120, { 254: [1], ...said('NIKON CORPORATION') }),
          strip: rgb,
          sub: [{ tags: { 254: [1], 259: [6] }, jpeg }, sensor(UNCOMPRESSED)],
        },
      ]);
    case 'ARW':
      return makeTiff([
        { tags: { 254: [1], 259: [6], ...said('SONY') }, jpeg, sub: [sensor(UNCOMPRESSED)] },
        { tags: { 254: [1], 259: [6] }, jpeg: thumbnail },
      ]);
    case 'DNG':
      return makeTiff([
        {
          tags: picture(160, 120, { 254: [1], 50706: [1, 4], ...said('Adobe') }),
          strip: rgb,
          sub: [sensor(LOSSLESS), { tags: picture(200, 150, { 254: [1], 259: [7], 262: [6] }), strip: jpeg }],
        },
      ]);
    case 'CR2': {
      const file = makeTiff(
        [
          { tags: { 256: [200], 257: [150], 258: [8, 8, 8], 259: [6], ...said('Canon') }, strip: jpeg },
          { tags: {}, jpeg: thumbnail },
          { tags: { 259: [6] }, strip: sensorJpeg },
        ],
        Buffer.from('CR\x02\0\0\0\0\0', 'latin1'),
      );
      return file;
    }
    case 'RW2': {
      const file = makeTiff([{ tags: said('Panasonic'), bytes: { 46: jpeg } }]);
      file.writeUInt16LE(0x55, 2);
      return file;
    }
    case 'ORF': {
      const file = makeTiff([
        {
          tags: { 256: [200], 257: [150], 258: [16], 259: [1], 262: [1], ...said('OLYMPUS') },
          strip: Buffer.alloc(2000),
          exif: { tags: {}, bytes: { 37500: olympusNote(jpeg) } },
        },
      ]);
      file.write('IIRO', 0, 'latin1');
      return file;
    }
    case 'RAF': {
      const header = Buffer.alloc(100);
      header.write('FUJIFILMCCD-RAW ');
      header.writeUInt32BE(100, 84);
      header.writeUInt32BE(jpeg.length, 88);
      return Buffer.concat([header, jpeg, Buffer.alloc(2000)]);
    }
    default:
      return cr3(jpeg, thumbnail, orientation);
  }
}

/** A maker note whose offsets count from its own start: a directory with one entry, CameraSettings, which names the JPEG. */
function olympusNote(jpeg: Uint8Array): Buffer {
  const head = Buffer.from('OLYMPUS\0II\x03\0', 'latin1');
  const settings = head.length + 18;
  const at = settings + 30;
  const main = Buffer.alloc(18);
  main.writeUInt16LE(1, 0);
  entry(main, 2, 0x2020, 13, settings);
  const camera = Buffer.alloc(30);
  camera.writeUInt16LE(2, 0);
  entry(camera, 2, 0x101, 4, at);
  entry(camera, 14, 0x102, 4, jpeg.length);
  return Buffer.concat([head, main, camera, jpeg]);
}

function entry(into: Buffer, at: number, tag: number, type: number, value: number): void {
  into.writeUInt16LE(tag, at);
  into.writeUInt16LE(type, at + 2);
  into.writeUInt32LE(1, at + 4);
  into.writeUInt32LE(value, at + 8);
}

/** ISO base media: the JPEG is the only sample of a track; a smaller one is in a box of Canon's. */
function cr3(jpeg: Uint8Array, thumbnail: Uint8Array, orientation: number): Buffer {
  const metadata = makeTiff([{ tags: { 271: 'Canon', 274: [orientation] } }]);
  const start = (offset: number) =>
    Buffer.concat([
      box('ftyp', Buffer.from('crx \0\0\0\x01crx isom', 'latin1')),
      box(
        'moov',
        box('uuid', id('85c0b687820f11e08111f4ce462b6a48'), box('CMT1', metadata)),
        track(offset, jpeg.length),
      ),
      box('uuid', id('eaf42b5e1c984b88b9fbb7dc406e4d16'), Buffer.alloc(8), box('PRVW', preview(thumbnail), thumbnail)),
    ]);
  const offset = start(0).length + 8;
  return Buffer.concat([start(offset), box('mdat', jpeg, Buffer.alloc(2000))]);
}

function track(offset: number, length: number): Buffer {
  const sizes = Buffer.alloc(16);
  sizes.writeUInt32BE(1, 8);
  sizes.writeUInt32BE(length, 12);
  const offsets = Buffer.alloc(16);
  offsets.writeUInt32BE(1, 4);
  offsets.writeBigUInt64BE(BigInt(offset), 8);
  return box('trak', box('mdia', box('minf', box('stbl', box('stsz', sizes), box('co64', offsets)))));
}

function preview(jpeg: Uint8Array): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(jpeg.length, 12);
  return header;
}

const id = (hex: string) => Buffer.from(hex, 'hex');

function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(8 + content.reduce((sum, part) => sum + part.length, 0));
  return Buffer.concat([size, Buffer.from(type, 'latin1'), ...content]);
}
