import { directoriesOf } from '../tiff/directory.ts';
import type { View } from '../view.ts';
import { cr3 } from './cr3.ts';
import { excerptIn } from './excerpt-format.ts';
import type { RawFile } from './preview.ts';
import { orf, rw2, tiffRaw } from './tiff-raw.ts';

/** The RAW file of a camera, recognised by its content and not by its name; undefined for a file of another kind. */
export function rawIn(view: View): RawFile | undefined {
  if (view.byteLength < 16) return undefined;
  const start = String.fromCharCode(...Array.from({ length: 16 }, (_, at) => view.getUint8(at)));
  if (start.startsWith('FUJIFILMCCD-RAW')) return raf(view);
  if (start.startsWith('IIU\0')) return rw2(view);
  if (/^(IIR[OS]|MMOR)/u.test(start)) return orf(view);
  if (start.startsWith('ftypcrx ', 4)) return cr3(view);
  if (/^(II[\x2a\x2b]\0|MM\0[\x2a\x2b])/u.test(start)) return tiffRaw(view, directoriesOf(view));
  return excerptIn(view);
}

/** Fujifilm's RAF: the header contains offset and length of the JPEG. */
function raf(view: View): RawFile {
  if (view.byteLength < 92) return { kind: 'RAF', candidates: [] };
  return { kind: 'RAF', candidates: [{ at: view.getUint32(84), length: view.getUint32(88) }] };
}
