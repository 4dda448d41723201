import { formatOf } from './format.ts';
import { directoriesOf } from './tiff/directory.ts';
import { fullPages } from './tiff/pages.ts';

/** The most pages that are counted. A file with more is damaged or hostile. */
const MAX_PAGES = 100_000;

/**
 * The number of pages or frames of a TIFF, GIF or WebP; 1 for all other files. Nothing is decoded.
 *
 * @returns at least 1
 */
export function countPages(bytes: Uint8Array): number {
  switch (formatOf(bytes)) {
    case 'TIFF':
      return Math.max(1, fullPages(directoriesOf(bytes)).length);
    case 'GIF':
      return Math.max(1, gifFrames(bytes));
    case 'WebP':
      return Math.max(1, webpFrames(bytes));
    default:
      return 1;
  }
}

/** GIF89a: an image descriptor begins each frame. */
function gifFrames(bytes: Uint8Array): number {
  const tableSize = (packed: number) => (packed & 0x80 ? 3 << ((packed & 7) + 1) : 0);
  let at = 13 + tableSize(bytes[10] ?? 0);
  let frames = 0;
  const skipBlocks = () => {
    while (at < bytes.length && bytes[at] !== 0) at += (bytes[at] as number) + 1;
    at++;
  };
  while (at < bytes.length && frames < MAX_PAGES) {
    const kind = bytes[at];
    if (kind === 0x21) {
      at += 2;
      skipBlocks();
    } else if (kind === 0x2c) {
      frames++;
      at += 10 + tableSize(bytes[at + 9] ?? 0) + 1;
      skipBlocks();
    } else break;
  }
  return frames;
}

/** Chunks ANMF of the RIFF container. */
function webpFrames(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frames = 0;
  for (let at = 12; at + 8 <= bytes.length && frames < MAX_PAGES; ) {
    if (view.getUint32(at) === 0x414e4d46) frames++;
    const size = view.getUint32(at + 4, true);
    at += 8 + size + (size & 1);
  }
  return frames;
}
