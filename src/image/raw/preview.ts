import { directoriesOf, TAG } from '../tiff/directory.ts';
import { partOf, type View } from '../view.ts';

/** A part of a RAW file that may be a JPEG. */
export interface Candidate {
  readonly at: number;
  readonly length: number;
}

/** The pictures of a RAW file. */
export interface RawFile {
  /** The usual name of the format, such as NEF. */
  readonly kind: string;
  readonly candidates: readonly Candidate[];
  /** EXIF orientation of the RAW file itself. */
  readonly orientation?: number;
  /** Whether the sensor is wider than high. */
  readonly landscape?: boolean;
}

/** A JPEG inside a RAW file. */
export interface Preview extends Candidate {
  readonly width: number;
  readonly height: number;
  /** The orientation in its own EXIF data. */
  readonly orientation: number | undefined;
}

/** The most candidates that are checked. */
const MAX_CANDIDATES = 64;

/** The largest JPEG among the candidates that a decoder can read; the sensor's own data are lossless JPEG and do not count. */
export function largestPreview(file: View, candidates: readonly Candidate[]): Preview | undefined {
  let best: Preview | undefined;
  for (const { at, length } of candidates.slice(0, MAX_CANDIDATES)) {
    if (!(at > 0 && length > 4 && at + length <= file.byteLength)) continue;
    const header = jpegHeader(partOf(file, at, length));
    if (header !== undefined && header.width * header.height > (best ? best.width * best.height : 0))
      best = { at, length, ...header };
  }
  return best;
}

const [SOI, SOF0, SOF2, APP1, SOS] = [0xffd8, 0xc0, 0xc2, 0xe1, 0xda] as const;

/** Size and orientation of a baseline, extended or progressive JPEG (ITU T.81, B.2). */
function jpegHeader(view: View): Omit<Preview, keyof Candidate> | undefined {
  if (view.getUint16(0) !== SOI || view.getUint8(2) !== 0xff) return undefined;
  let orientation: number | undefined;
  for (let at = 2; at + 10 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = view.getUint16(at + 2);
    if (marker >= SOF0 && marker <= SOF2) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), orientation };
    }
    if (
      marker === SOS ||
      length < 2 ||
      (marker > SOF2 && marker < 0xd0 && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
    )
      return undefined;
    if (marker === APP1 && at + 2 + length <= view.byteLength)
      orientation ??= exifOrientation(partOf(view, at + 4, length - 2));
    at += 2 + length;
  }
  return undefined;
}

/** The six bytes before the TIFF of an EXIF segment. */
const EXIF = [0x45786966, 0] as const;

function exifOrientation(segment: View): number | undefined {
  if (segment.byteLength < 6 || segment.getUint32(0) !== EXIF[0] || segment.getUint16(4) !== EXIF[1]) return undefined;
  return directoriesOf(partOf(segment, 6))[0]?.value(TAG.orientation);
}
