import { type Directory, directoriesFrom, TAG } from '../tiff/directory.ts';
import { partOf, type View } from '../view.ts';
import type { Candidate, RawFile } from './preview.ts';

/** Values of PhotometricInterpretation for sensor data: colour filter array, linear raw. */
const SENSOR: readonly number[] = [32803, 34892];
const JPEGS: readonly number[] = [6, 7, 99];

/**
 * CR2, NEF, ARW, DNG and other RAW formats with the structure of a TIFF. A file counts as RAW only if it contains sensor data, is marked as
 * RAW, or has no other pictures than JPEGs, because software of camera makers also writes ordinary TIFF files.
 *
 * @returns undefined for an ordinary TIFF
 */
export function tiffRaw(view: View, directories: readonly Directory[]): RawFile | undefined {
  const first = directories[0];
  if (first === undefined) return undefined;
  const isCr2 = view.getUint16(8) === 0x4352 && view.getUint8(10) === 2;
  const isDng = first.has(TAG.dngVersion);
  const sensor = directories.find((one) => SENSOR.includes(one.value(TAG.photometric) ?? -1));
  const candidates = candidatesOf(directories);
  const onlyJpegs = candidates.length > 0 && !directories.some(isOrdinary);
  const inCamera = /nikon|sony|canon|pentax|olympus|panasonic|samsung|leica/iu.test(first.text(TAG.make));
  const hidden = inCamera && candidates.some(({ length }) => length > 0) && directories.every((one) => !isFull(one));
  if (!isCr2 && !isDng && sensor === undefined && !onlyJpegs && !hidden) return undefined;
  return { ...common(directories, sensor), kind: isCr2 ? 'CR2' : isDng ? 'DNG' : kindOf(first), candidates };
}

/** Whether an ordinary TIFF reader can show the picture. */
function isOrdinary(one: Directory): boolean {
  const hasPixels = one.has(TAG.stripOffsets) || one.has(TAG.tileOffsets);
  return hasPixels && !SENSOR.includes(one.value(TAG.photometric) ?? -1) && one.value(TAG.compression) !== 6;
}

function isFull(one: Directory): boolean {
  return isOrdinary(one) && ((one.value(TAG.subfileType) ?? 0) & 1) === 0;
}

function kindOf(first: Directory): string {
  const make = first.text(TAG.make).toLowerCase();
  return make.includes('nikon')
    ? 'NEF'
    : make.includes('sony')
      ? 'ARW'
      : make.includes('pentax')
        ? 'PEF'
        : 'camera RAW';
}

function common(directories: readonly Directory[], sensor?: Directory): Pick<RawFile, 'orientation' | 'landscape'> {
  const orientation = directories[0]?.value(TAG.orientation);
  const [width, height] = [sensor?.value(TAG.width), sensor?.value(TAG.height)];
  return {
    ...(orientation !== undefined && { orientation }),
    ...(width !== undefined && height !== undefined && { landscape: width > height }),
  };
}

/** JPEGs that directories point to, or contain as their only strip or tile. */
function candidatesOf(directories: readonly Directory[]): Candidate[] {
  return directories.flatMap((one) => {
    const found = [pointedTo(one, TAG.jpegOffset, TAG.jpegLength)];
    const isJpeg = JPEGS.includes(one.value(TAG.compression) ?? 1) && !SENSOR.includes(one.value(TAG.photometric) ?? 6);
    if (isJpeg && !one.has(TAG.jpegTables))
      found.push(
        pointedTo(one, TAG.stripOffsets, TAG.stripByteCounts),
        pointedTo(one, TAG.tileOffsets, TAG.tileByteCounts),
      );
    return found.flatMap((candidate) => candidate ?? []);
  });
}

function pointedTo(one: Directory, offset: number, length: number): Candidate | undefined {
  if (one.entries.get(offset)?.count !== 1 || one.entries.get(length)?.count !== 1) return undefined;
  return { at: one.value(offset) ?? 0, length: one.value(length) ?? 0 };
}

/** Panasonic's RW2: a TIFF with its own magic number. The JPEG is the value of a tag. */
export function rw2(view: View): RawFile {
  const directories = directoriesOfRaw(view);
  const entry = directories[0]?.entries.get(TAG.panasonicJpeg);
  const larger = directories[0]?.entries.get(0x127);
  const candidates = [entry, larger].flatMap((one) => (one ? [{ at: one.at, length: one.count }] : []));
  return { ...common(directories), kind: 'RW2', candidates: [...candidates, ...candidatesOf(directories)] };
}

const [OLYMPUS_SETTINGS, OLYMPUS_START, OLYMPUS_LENGTH] = [0x2020, 0x101, 0x102] as const;

/** Olympus's ORF: the maker note points to the JPEG, with offsets from the start of the note. */
export function orf(view: View): RawFile {
  const directories = directoriesOfRaw(view);
  return {
    ...common(directories),
    kind: 'ORF',
    candidates: [...olympusNote(view, directories), ...candidatesOf(directories)],
  };
}

function olympusNote(whole: View, directories: readonly Directory[]): Candidate[] {
  const littleEndian = whole.getUint8(0) === 0x49;
  const exif = directories[0]?.value(TAG.exif);
  if (exif === undefined) return [];
  const note = directoriesFrom(whole, littleEndian, false, exif)[0]?.entries.get(TAG.makerNote);
  if (note === undefined || note.at + 16 > whole.byteLength) return [];
  const view = partOf(whole, note.at);
  const start = String.fromCharCode(...Array.from({ length: 12 }, (_, n) => view.getUint8(n)));
  if (!/^(OLYMPUS\0|OM SYSTEM\0)/u.test(start)) return [];
  const first = start.startsWith('OM') ? 16 : 12;
  const main = directoriesFrom(view, littleEndian, false, first)[0];
  const settings = main?.entries.get(OLYMPUS_SETTINGS);
  if (main === undefined || settings === undefined) return [];
  const at = settings.type === 4 || settings.type === 13 ? main.value(OLYMPUS_SETTINGS) : settings.at;
  const camera = directoriesFrom(view, littleEndian, false, at ?? 0)[0];
  const [jpeg, length] = [camera?.value(OLYMPUS_START), camera?.value(OLYMPUS_LENGTH)];
  return jpeg === undefined || length === undefined ? [] : [{ at: note.at + jpeg, length }];
}

function directoriesOfRaw(view: View): Directory[] {
  const littleEndian = view.getUint8(0) === 0x49;
  return directoriesFrom(view, littleEndian, false, view.getUint32(4, littleEndian));
}
