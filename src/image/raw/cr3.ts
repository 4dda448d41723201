import { directoriesOf, TAG } from '../tiff/directory.ts';
import type { Candidate, RawFile } from './preview.ts';

/** The most boxes that are read from a file. */
const MAX_BOXES = 1_000;

interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

const CANON_METADATA = '85c0b687820f11e08111f4ce462b6a48';
const CANON_PREVIEW = 'eaf42b5e1c984b88b9fbb7dc406e4d16';

/** Canon's CR3, an ISO base media file (ISO/IEC 14496-12): a track with one JPEG in full size, and a preview in its own box. */
export function cr3(bytes: Uint8Array): RawFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const top = boxesIn(view, 0, bytes.length);
  const moov = top.find(({ type }) => type === 'moov');
  const inMoov = moov ? boxesIn(view, moov.start, moov.end) : [];
  const orientation = orientationOf(view, bytes, inMoov);
  const tracks = inMoov.filter(({ type }) => type === 'trak').flatMap((track) => trackJpeg(view, track));
  return {
    kind: 'CR3',
    candidates: [...tracks, ...previews(view, top)],
    ...(orientation !== undefined && { orientation }),
  };
}

/** The boxes between two offsets, up to the first damaged one. */
function boxesIn(view: DataView, from: number, end: number): Box[] {
  const boxes: Box[] = [];
  for (let at = from; at + 8 <= end && boxes.length < MAX_BOXES; ) {
    const short = view.getUint32(at);
    const [header, size] =
      short === 1 && at + 16 <= end ? [16, Number(view.getBigUint64(at + 8))] : [8, short || end - at];
    if (size < header || at + size > end) return boxes;
    const type = String.fromCharCode(...[4, 5, 6, 7].map((n) => view.getUint8(at + n)));
    boxes.push({ type, start: at + header, end: at + size });
    at += size;
  }
  return boxes;
}

function within(view: DataView, box: Box | undefined, type: string): Box | undefined {
  return box && boxesIn(view, box.start, box.end).find((one) => one.type === type);
}

function isUuid(view: DataView, { type, start, end }: Box, id: string): boolean {
  if (type !== 'uuid' || end - start < 16) return false;
  return (
    Array.from({ length: 16 }, (_, n) =>
      view
        .getUint8(start + n)
        .toString(16)
        .padStart(2, '0'),
    ).join('') === id
  );
}

function orientationOf(view: DataView, bytes: Uint8Array, inMoov: readonly Box[]): number | undefined {
  const canon = inMoov.find((box) => isUuid(view, box, CANON_METADATA));
  const exif = canon && boxesIn(view, canon.start + 16, canon.end).find(({ type }) => type === 'CMT1');
  return exif && directoriesOf(bytes.subarray(exif.start, exif.end))[0]?.value(TAG.orientation);
}

/** The only sample of a track. Its bytes show whether it is a JPEG. */
function trackJpeg(view: DataView, track: Box): Candidate[] {
  const table = ['mdia', 'minf', 'stbl'].reduce<Box | undefined>((box, type) => within(view, box, type), track);
  const sizes = within(view, table, 'stsz');
  const offsets = within(view, table, 'co64');
  const short = within(view, table, 'stco');
  if (sizes === undefined || sizes.end - sizes.start < 12) return [];
  const same = view.getUint32(sizes.start + 4);
  const length = same || (sizes.end - sizes.start >= 16 ? view.getUint32(sizes.start + 12) : 0);
  if (offsets !== undefined && offsets.end - offsets.start >= 16)
    return [{ at: Number(view.getBigUint64(offsets.start + 8)), length }];
  if (short !== undefined && short.end - short.start >= 12) return [{ at: view.getUint32(short.start + 8), length }];
  return [];
}

function previews(view: DataView, top: readonly Box[]): Candidate[] {
  const holder = top.find((box) => isUuid(view, box, CANON_PREVIEW));
  const preview = holder && boxesIn(view, holder.start + 24, holder.end).find(({ type }) => type === 'PRVW');
  if (preview === undefined || preview.end - preview.start < 16) return [];
  return [{ at: preview.start + 16, length: view.getUint32(preview.start + 12) }];
}
