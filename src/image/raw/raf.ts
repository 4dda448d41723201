import type { View } from '../view.ts';
import type { RawFile } from './preview.ts';

/** Fujifilm's RAF: the header contains offset and length of the JPEG. */
export function raf(view: View): RawFile {
  if (view.byteLength < 92) return { kind: 'RAF', candidates: [] };
  return { kind: 'RAF', candidates: [{ at: view.getUint32(84), length: view.getUint32(88) }] };
}
