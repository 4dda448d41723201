import { directoriesOf, TAG } from '../tiff/directory.ts';

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
export interface Preview {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** The orientation in its own EXIF data. */
  readonly orientation: number | undefined;
}

/** The most candidates that are checked. */
const MAX_CANDIDATES = 64;

/** The largest JPEG among the candidates that a decoder can read; the sensor's own data are lossless JPEG and do not count. */
export function largestPreview(file: Uint8Array, candidates: readonly Candidate[]): Preview | undefined {
  let best: Preview | undefined;
  for (const { at, length } of candidates.slice(0, MAX_CANDIDATES)) {
    if (!(at > 0 && length > 4 && at + length <= file.length)) continue;
    const bytes = file.subarray(at, at + length);
    const header = jpegHeader(bytes);
    if (header !== undefined && header.width * header.height > (best ? best.width * best.height : 0))
      best = { bytes, ...header };
  }
  return best;
}

const [SOI, SOF0, SOF2, APP1, SOS] = [0xd8, 0xc0, 0xc2, 0xe1, 0xda] as const;

/** Size and orientation of a baseline, extended or progressive JPEG (ITU T.81, B.2). */
function jpegHeader(bytes: Uint8Array): Omit<Preview, 'bytes'> | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== SOI || bytes[2] !== 0xff) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let orientation: number | undefined;
  for (let at = 2; at + 10 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] as number;
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
    if (marker === APP1) orientation ??= exifOrientation(bytes.subarray(at + 4, at + 2 + length));
    at += 2 + length;
  }
  return undefined;
}

function exifOrientation(segment: Uint8Array): number | undefined {
  const isExif =
    Buffer.from(segment.buffer, segment.byteOffset, Math.min(6, segment.length)).toString('latin1') === 'Exif\0\0';
  return isExif ? directoriesOf(segment.subarray(6))[0]?.value(TAG.orientation) : undefined;
}
