import type { View } from '../view.ts';

/** Limits on what is read from a file, far above the files of cameras and scanners. */
const MOST = {
  directories: 4_096,
  subDirectories: 64,
  entries: 1_000,
  entriesInAll: 200_000,
  depth: 5,
  values: 2_000_000,
} as const;

/** Tags of TIFF 6.0, its supplements and EXIF. */
export const TAG = {
  subfileType: 0xfe,
  width: 0x100,
  height: 0x101,
  bitsPerSample: 0x102,
  compression: 0x103,
  photometric: 0x106,
  make: 0x10f,
  stripOffsets: 0x111,
  orientation: 0x112,
  samplesPerPixel: 0x115,
  rowsPerStrip: 0x116,
  stripByteCounts: 0x117,
  minSample: 0x118,
  maxSample: 0x119,
  planar: 0x11c,
  predictor: 0x13d,
  tileWidth: 0x142,
  tileHeight: 0x143,
  tileOffsets: 0x144,
  tileByteCounts: 0x145,
  subDirectories: 0x14a,
  extraSamples: 0x152,
  sampleFormat: 0x153,
  sMinSample: 0x154,
  sMaxSample: 0x155,
  jpegOffset: 0x201,
  jpegLength: 0x202,
  yCbCrCoefficients: 0x211,
  yCbCrSubsampling: 0x212,
  referenceBlackWhite: 0x214,
  jpegTables: 0x15b,
  fillOrder: 0x10a,
  exif: 0x8769,
  makerNote: 0x927c,
  panasonicJpeg: 0x2e,
  dngVersion: 0xc612,
} as const;

/** Bytes of a value, by its type (TIFF 6.0, BigTIFF). */
const SIZES: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

/** The place of the values of a tag. */
export interface Entry {
  readonly type: number;
  readonly count: number;
  readonly at: number;
}

/** A directory (IFD) of a TIFF. */
export class Directory {
  constructor(
    private readonly view: View,
    readonly littleEndian: boolean,
    readonly entries: ReadonlyMap<number, Entry>,
    /** Its number in the chain of pages; undefined for a sub-directory. */
    readonly page: number | undefined,
    /** Its number among the sub-directories of its parent. */
    readonly sub: number | undefined,
    readonly parent: Directory | undefined,
  ) {}

  has(tag: number): boolean {
    return this.entries.has(tag);
  }

  /** The numbers of a tag; [] if it is missing or not a number. */
  values(tag: number): number[] {
    const entry = this.entries.get(tag);
    if (entry === undefined || entry.count > MOST.values) return [];
    const size = SIZES[entry.type] ?? 0;
    if (size === 0 || entry.at + entry.count * size > this.view.byteLength) return [];
    return Array.from({ length: entry.count }, (_, n) => this.number(entry.type, entry.at + n * size));
  }

  value(tag: number): number | undefined {
    return this.values(tag)[0];
  }

  text(tag: number): string {
    const entry = this.entries.get(tag);
    if (entry === undefined || entry.count > 1_000 || entry.at + entry.count > this.view.byteLength) return '';
    const { at, count } = entry;
    const letters = Array.from({ length: count }, (_, n) => String.fromCharCode(this.view.getUint8(at + n)));
    return letters.join('').replace(/\0.*$/su, '');
  }

  private number(type: number, at: number): number {
    const { view, littleEndian: le } = this;
    switch (type) {
      case 1:
      case 2:
      case 7:
        return view.getUint8(at);
      case 3:
        return view.getUint16(at, le);
      case 4:
      case 13:
        return view.getUint32(at, le);
      case 5:
        return view.getUint32(at, le) / view.getUint32(at + 4, le);
      case 6:
        return view.getInt8(at);
      case 8:
        return view.getInt16(at, le);
      case 9:
        return view.getInt32(at, le);
      case 10:
        return view.getInt32(at, le) / view.getInt32(at + 4, le);
      case 11:
        return view.getFloat32(at, le);
      case 12:
        return view.getFloat64(at, le);
      case 17:
        return Number(view.getBigInt64(at, le));
      default:
        return Number(view.getBigUint64(at, le));
    }
  }
}

/**
 * The directories of a TIFF: the chain of pages, each followed by its sub-directories. A damaged directory ends the chain, and the decoder
 * reports it. Every length is limited, and no offset is read twice.
 *
 * @param view a TIFF, or a RAW file built like one
 */
export function directoriesOf(view: View): Directory[] {
  if (view.byteLength < 16) return [];
  const littleEndian = view.getUint8(0) === 0x49;
  const big = view.getUint16(2, littleEndian) === 43;
  const first = big ? Number(view.getBigUint64(8, littleEndian)) : view.getUint32(4, littleEndian);
  return directoriesFrom(view, littleEndian, big, first);
}

/** The directories from an offset on. Offsets are relative to the start of `view`. */
export function directoriesFrom(view: View, littleEndian: boolean, big: boolean, first: number): Directory[] {
  const found: Directory[] = [];
  const visited = new Set<number>();
  let entries = 0;
  const chain = (start: number, parent: Directory | undefined, sub: number | undefined, depth: number): void => {
    let page = 0;
    for (let at = start; at > 0 && !visited.has(at) && found.length < MOST.directories; page++) {
      if (entries > MOST.entriesInAll) return;
      visited.add(at);
      const read = readDirectory(view, littleEndian, big, at);
      if (read === undefined) return;
      entries += read.entries.size;
      const isPage = parent === undefined;
      const directory = new Directory(view, littleEndian, read.entries, isPage ? page : undefined, sub, parent);
      found.push(directory);
      if (depth < MOST.depth) {
        const subs = directory.values(TAG.subDirectories);
        for (const [n, offset] of subs.slice(0, MOST.subDirectories).entries()) chain(offset, directory, n, depth + 1);
      }
      if (!isPage) return; // readers do not follow the chain of a sub-directory
      at = read.next;
    }
  };
  chain(first, undefined, undefined, 0);
  return found;
}

function readDirectory(
  view: View,
  le: boolean,
  big: boolean,
  at: number,
): { readonly entries: Map<number, Entry>; readonly next: number } | undefined {
  const [countSize, entrySize, offsetSize] = big ? [8, 20, 8] : [2, 12, 4];
  if (!Number.isSafeInteger(at) || at + countSize > view.byteLength) return undefined;
  const count = big ? Number(view.getBigUint64(at, le)) : view.getUint16(at, le);
  const start = at + countSize;
  if (count > MOST.entries || start + count * entrySize > view.byteLength) return undefined;
  const entries = new Map<number, Entry>();
  for (let n = 0; n < count; n++) {
    const entry = start + n * entrySize;
    const type = view.getUint16(entry + 2, le);
    const values = big ? Number(view.getBigUint64(entry + 4, le)) : view.getUint32(entry + 4, le);
    const inline = entry + 4 + offsetSize;
    const size = (SIZES[type] ?? 1) * values;
    const offset = () => (big ? Number(view.getBigUint64(inline, le)) : view.getUint32(inline, le));
    entries.set(view.getUint16(entry, le), { type, count: values, at: size <= offsetSize ? inline : offset() });
  }
  const end = start + count * entrySize;
  if (end + offsetSize > view.byteLength) return { entries, next: 0 };
  return { entries, next: big ? Number(view.getBigUint64(end, le)) : view.getUint32(end, le) };
}
