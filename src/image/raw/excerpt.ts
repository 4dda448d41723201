import type { FileHandle } from 'node:fs/promises';
import { inPieces, readAt } from '../view.ts';
import { EXCERPT } from './excerpt-format.ts';
import { rawIn } from './kinds.ts';
import { largestPreview } from './preview.ts';

/**
 * An excerpt of a camera's RAW file: the facts about its pictures, and the largest embedded JPEG. Sensor data are not read.
 *
 * @returns undefined for a file of another kind
 */
export async function rawExcerpt(file: FileHandle, size: number): Promise<Buffer | undefined> {
  const found = await inPieces(file, size, (view) => {
    const raw = rawIn(view);
    return raw && { raw, preview: largestPreview(view, raw.candidates) };
  }).catch((error: unknown) => {
    if (error instanceof RangeError) return undefined; // the file is damaged; the decoder reports it
    throw error;
  });
  if (found === undefined) return undefined;
  const { candidates: _, ...said } = found.raw;
  const jpeg = found.preview ? await readAt(file, found.preview.at, found.preview.length) : Buffer.alloc(0);
  return Buffer.concat([Buffer.from(`${EXCERPT}${JSON.stringify(said)}\n`), jpeg]);
}
