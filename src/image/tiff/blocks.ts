import { decompress } from './decompress.ts';
import { type Directory, TAG } from './directory.ts';

/** Strips or tiles: each a rectangle of the picture with the samples of all channels, or of one. */
export interface Block {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** The channel, if the picture is stored channel by channel; otherwise 0. */
  readonly channel: number;
  readonly data: Uint8Array;
}

/** How the samples of a picture are stored. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly bits: number;
  /** 1 unsigned, 2 signed, 3 floating point. */
  readonly sampleFormat: number;
  readonly photometric: number;
  readonly compression: number;
  readonly predictor: number;
  /** Channel by channel, not pixel by pixel. */
  readonly planar: boolean;
}

export function layoutOf(directory: Directory): Layout {
  const number = (tag: number, usual: number) => directory.value(tag) ?? usual;
  return {
    width: number(TAG.width, 0),
    height: number(TAG.height, 0),
    samples: number(TAG.samplesPerPixel, 1),
    bits: number(TAG.bitsPerSample, 1),
    sampleFormat: number(TAG.sampleFormat, 1),
    photometric: number(TAG.photometric, 1),
    compression: number(TAG.compression, 1),
    predictor: number(TAG.predictor, 1),
    planar: number(TAG.planar, 1) === 2,
  };
}

/**
 * The strips or tiles of a picture, decompressed one after the other.
 *
 * @param bytesOf the number of bytes of a block with this number of pixels
 * @throws RangeError if the file ends before its data
 */
export function* blocksOf(
  bytes: Uint8Array,
  directory: Directory,
  layout: Layout,
  bytesOf: (width: number, height: number) => number,
): Generator<Block> {
  const { width, height, samples, planar, compression } = layout;
  const tiled = directory.has(TAG.tileOffsets);
  const blockWidth = tiled ? (directory.value(TAG.tileWidth) ?? 0) : width;
  const blockHeight = tiled
    ? (directory.value(TAG.tileHeight) ?? 0)
    : Math.min(height, directory.value(TAG.rowsPerStrip) ?? height);
  if (!(blockWidth > 0 && blockHeight > 0)) throw new RangeError('its strips have no size');
  const across = Math.ceil(width / blockWidth);
  const down = Math.ceil(height / blockHeight);
  const offsets = directory.values(tiled ? TAG.tileOffsets : TAG.stripOffsets);
  const counts = directory.values(tiled ? TAG.tileByteCounts : TAG.stripByteCounts);
  const planes = planar ? samples : 1;
  if (offsets.length < across * down * planes) throw new RangeError('strips are missing');
  for (let n = 0; n < across * down * planes; n++) {
    const place = n % (across * down);
    const top = Math.trunc(place / across) * blockHeight;
    const rows = tiled ? blockHeight : Math.min(blockHeight, height - top);
    const length = bytesOf(blockWidth, rows);
    const start = offsets[n] as number;
    const stored = bytes.subarray(start, start + (counts[n] ?? length));
    const data = decompress(stored, compression, length);
    if (data.length < length) throw new RangeError('the file is cut short or damaged');
    yield {
      left: (place % across) * blockWidth,
      top,
      width: blockWidth,
      height: rows,
      channel: Math.trunc(n / (across * down)),
      data,
    };
  }
}
