import type { RawFile } from './preview.ts';

/** Fujifilm's RAF: the header contains offset and length of the JPEG. */
export function raf(bytes: Uint8Array): RawFile {
  if (bytes.length < 92) return { kind: 'RAF', candidates: [] };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { kind: 'RAF', candidates: [{ at: view.getUint32(84), length: view.getUint32(88) }] };
}
