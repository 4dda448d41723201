import { ImageError, messageOf } from '../errors.ts';
import { onColour } from './colour.ts';
import type { DecodeOptions } from './decode-options.ts';
import { checkPixels } from './limits.ts';
import type { RgbImage } from './resample.ts';

/** The numbers of BMP's compressions. */
const [PLAIN, RLE8, RLE4, BIT_FIELDS, ALPHA_BIT_FIELDS] = [0, 1, 2, 3, 6] as const;

interface Header {
  readonly width: number;
  readonly height: number;
  /** The first line in the file is the top one. */
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  /** Red, green and blue of each colour of the palette. */
  readonly palette: Uint8Array;
  /** The bits of red, green, blue and alpha in a pixel; 0 if there is no alpha. */
  readonly masks: readonly [red: number, green: number, blue: number, alpha: number];
  readonly pixelsAt: number;
}

/**
 * Decodes a BMP of Windows or OS/2: 1, 2, 4, 8, 16, 24 and 32 bits, with palette, bit fields or run lengths. Alpha is dropped
 * unless there is a background.
 *
 * @throws ImageError E_DECODE, E_FORMAT or E_PIXEL_LIMIT
 */
export function decodeBmp(
  bytes: Uint8Array,
  name: string,
  { maxPixels, background = null }: Pick<DecodeOptions, 'maxPixels' | 'background'>,
): RgbImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const header = readHeader(view);
    checkPixels({ ...header, format: 'BMP', progressive: false }, name, maxPixels);
    const { compression, bits } = header;
    if (compression === RLE8 || compression === RLE4) return runLengths(bytes, header);
    if (
      !([PLAIN, BIT_FIELDS, ALPHA_BIT_FIELDS] as readonly number[]).includes(compression) ||
      ![1, 2, 4, 8, 16, 24, 32].includes(bits)
    ) {
      const fact = `${name} is a BMP with compression ${compression} and ${bits} bits, which is not supported`;
      throw new ImageError('E_FORMAT', fact, 'convert it to PNG');
    }
    const image = plainLines(view, header);
    const alpha = background ? alphaOf(view, header) : undefined;
    return background && alpha ? onColour(image, alpha, background) : image;
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const reason = error instanceof RangeError ? 'the file is cut short or damaged' : messageOf(error);
    throw new ImageError('E_DECODE', `${name} cannot be decoded as BMP: ${reason}`, 'fetch or export it again', error);
  }
}

/** Bytes of the file header, before the header of the picture. */
const FILE_HEADER = 14;
const CORE_HEADER = 12;
const INFO_HEADER = 40;

/** @throws RangeError if the file ends too early */
function readHeader(view: DataView): Header {
  const size = view.getUint32(FILE_HEADER, true);
  const core = size === CORE_HEADER;
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const height = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core || size < 20 ? PLAIN : view.getUint32(30, true);
  const colours = core || size < 36 ? 0 : view.getUint32(46, true);
  if (width <= 0 || height === 0) throw new RangeError('no size');
  const hasMasks = compression === BIT_FIELDS || compression === ALPHA_BIT_FIELDS;
  const masksAt = FILE_HEADER + INFO_HEADER;
  const extra = hasMasks && size === INFO_HEADER ? (compression === BIT_FIELDS ? 12 : 16) : 0;
  const usual: Header['masks'] = bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
  const masks: Header['masks'] = hasMasks
    ? [
        view.getUint32(masksAt, true),
        view.getUint32(masksAt + 4, true),
        view.getUint32(masksAt + 8, true),
        compression === ALPHA_BIT_FIELDS || size > INFO_HEADER + 12 ? view.getUint32(masksAt + 12, true) : 0,
      ]
    : usual;
  const pixelsAt = view.getUint32(10, true);
  const palette =
    bits <= 8
      ? readPalette(view, FILE_HEADER + size + extra, core ? 3 : 4, Math.min(colours || 256, 1 << bits), pixelsAt)
      : new Uint8Array();
  return { width, height: Math.abs(height), topDown: height < 0, bits, compression, palette, masks, pixelsAt };
}

/** Always 256 colours. Colours that the file lacks are black. */
function readPalette(view: DataView, at: number, size: number, count: number, end: number): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let n = 0; n < count && at + n * size + 3 <= Math.min(end, view.byteLength); n++) {
    for (let c = 0; c < 3; c++) palette[n * 3 + c] = view.getUint8(at + n * size + 2 - c);
  }
  return palette;
}

/** Lines without run lengths, each padded to four bytes. */
function plainLines(view: DataView, header: Header): RgbImage {
  const { width, height, topDown, bits, palette, masks, pixelsAt } = header;
  const pitch = Math.ceil((width * bits) / 32) * 4;
  if (pixelsAt + pitch * (height - 1) + Math.ceil((width * bits) / 8) > view.byteLength)
    throw new RangeError('cut short');
  const data = new Uint8Array(width * height * 3);
  const fields = masks.slice(0, 3).map(fieldOf);
  for (let y = 0; y < height; y++) {
    const line = pixelsAt + (topDown ? y : height - 1 - y) * pitch;
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * 3;
      if (bits <= 8) {
        const byte = view.getUint8(line + ((x * bits) >> 3));
        const index = (byte >> (8 - bits - ((x * bits) & 7))) & ((1 << bits) - 1);
        for (let c = 0; c < 3; c++) data[to + c] = palette[index * 3 + c] as number;
      } else if (bits === 24) {
        for (let c = 0; c < 3; c++) data[to + c] = view.getUint8(line + x * 3 + 2 - c);
      } else {
        const pixel = bits === 16 ? view.getUint16(line + x * 2, true) : view.getUint32(line + x * 4, true);
        for (const [c, field] of fields.entries()) data[to + c] = field(pixel);
      }
    }
  }
  return { width, height, data };
}

/** The alpha of each pixel; undefined if the file has none, or only zeros, as many programs write it. */
function alphaOf(view: DataView, { width, height, topDown, bits, masks, pixelsAt }: Header): Uint8Array | undefined {
  if (masks[3] === 0 || bits < 16 || bits === 24) return undefined;
  const pitch = Math.ceil((width * bits) / 32) * 4;
  const field = fieldOf(masks[3]);
  const alpha = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const line = pixelsAt + (topDown ? y : height - 1 - y) * pitch;
    for (let x = 0; x < width; x++)
      alpha[y * width + x] = field(
        bits === 16 ? view.getUint16(line + x * 2, true) : view.getUint32(line + x * 4, true),
      );
  }
  return alpha.some((one) => one > 0) ? alpha : undefined;
}

/** The bits of a mask, spread over 0 to 255. */
function fieldOf(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const greatest = mask >>> shift;
  return (pixel) => Math.round((((pixel & mask) >>> shift) * 255) / greatest);
}

/** Run lengths of 8 or 4 bits. Pixels that are skipped have the first colour. */
function runLengths(bytes: Uint8Array, { width, height, topDown, compression, palette, pixelsAt }: Header): RgbImage {
  const indices = new Uint8Array(width * height);
  const nibbles = compression === RLE4;
  let [x, y, at, ended] = [0, 0, pixelsAt, false];
  const put = (index: number) => {
    if (x < width && y < height) indices[(topDown ? y : height - 1 - y) * width + x] = index;
    x++;
  };
  while (!ended && at + 1 < bytes.length) {
    const [count, value] = [bytes[at++] as number, bytes[at++] as number];
    if (count > 0) {
      for (let n = 0; n < count; n++) put(nibbles ? (n % 2 === 0 ? value >> 4 : value & 15) : value);
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      ended = true;
    } else if (value === 2) {
      x += bytes[at++] ?? 0;
      y += bytes[at++] ?? 0;
    } else {
      for (let n = 0; n < value; n++) {
        const byte = bytes[at + (nibbles ? n >> 1 : n)] ?? 0;
        put(nibbles ? (n % 2 === 0 ? byte >> 4 : byte & 15) : byte);
      }
      const stored = nibbles ? (value + 1) >> 1 : value;
      at += stored + (stored & 1);
    }
    if (y >= height) ended = true;
  }
  if (!ended) throw new RangeError('cut short');
  const data = new Uint8Array(width * height * 3);
  for (let n = 0; n < indices.length; n++) {
    for (let c = 0; c < 3; c++) data[n * 3 + c] = palette[(indices[n] as number) * 3 + c] as number;
  }
  return { width, height, data };
}
