import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { decoding, preprocessing } from '../library.ts';
import { mosaic } from '../photos.ts';
import { type Row, ratioRow } from '../report.ts';
import type { Measurement } from '../setting.ts';
import { inTurn, ratioOf, timed } from '../statistics.ts';

/** Photographs across and down, and the size of each. */
const PICTURES = [
  [1, [500, 375]],
  [8, [484, 324]],
] as const;

/** Exact resampling and cropping to 224 pixels, against sharp's decoding of the same JPEG to the pixels that it begins with. */
export const resampling: Measurement = async ({ photos, cache, quick }) => {
  const { decode } = await decoding();
  const { fitImage } = await preprocessing();
  const clip = {
    size: 224,
    fit: 'crop',
    resizeTo: 224,
    rounding: 'even',
    filter: 'bicubic',
    divisor: 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  } as const;
  const rows: Row[] = [];
  for (const [across, size] of PICTURES) {
    const bytes = await readFile(await mosaic(photos, across, size, cache));
    const pixels = await decode(bytes, 'photo', DEFAULT_DECODE);
    const took = await inTurn(
      {
        resample: () => timed(async () => fitImage(pixels, clip)),
        decode: () => timed(() => sharp(bytes, { ignoreIcc: true }).raw().toBuffer()),
      },
      quick ? 5 : across > 1 ? 31 : 101,
      quick ? 2 : 20,
    );
    const what = `exact resample ÷ sharp's decode, ${pixels.width} × ${pixels.height}`;
    rows.push(ratioRow(what, { atMost: 0.5 }, ratioOf(took.resample, took.decode)));
  }
  return rows;
};
