import { writeText } from './lettering.ts';
import { sharp } from './libvips.ts';
import { drawOverlay, type GridMap, zoomOf } from './overlay.ts';
import { fitImage, type Preprocessing } from './preprocess.ts';
import type { RgbImage } from './resample.ts';

/** What stands next to a heat map. */
export interface Caption {
  readonly label: string;
  /** 0 to 1 */
  readonly score?: number;
  /** What the numbers of the map are. */
  readonly measure: string;
}

/** Pixels around and between the two pictures, above them and below them. */
const [GAP, HEAD, FOOT] = [24, 84, 44];
const [WHITE, INK, DIM] = [255, 26, 96];

/**
 * A picture that explains itself: the label and its score, the part of the photograph that the model sees, the map over it,
 * and the scale of its colours.
 *
 * @returns a PNG
 */
export async function drawHeatMap(
  image: RgbImage,
  preprocessing: Preprocessing,
  map: GridMap,
  { label, score, measure }: Caption,
): Promise<Uint8Array> {
  const overlay = await sharp()(Buffer.from(await drawOverlay(image, preprocessing, map)))
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width: side, height } = overlay.info;
  const [width, right, bottom] = [3 * GAP + 2 * side, 2 * GAP + side, HEAD + height];
  const data = new Uint8Array(width * (bottom + FOOT) * 3).fill(WHITE);
  const canvas = { width, height: bottom + FOOT, data };
  const seen = fitImage(image, preprocessing, zoomOf(map));
  place(canvas, seen, GAP, HEAD, side, side);
  place(canvas, { width: side, height, data: overlay.data }, right, HEAD, side, height);

  const values = Array.from(map.values);
  const scoreText = score === undefined ? '' : `score ${(score * 100).toFixed(1)} %; `;
  const line = { x: GAP, width: width - 2 * GAP };
  await writeText(canvas, label, '30', { ...line, y: 44, grey: INK });
  await writeText(canvas, `${scoreText}the map shows ${measure}`, '17', { ...line, y: 70, grey: DIM });
  const below = { y: bottom + 26, width: side / 2, grey: DIM };
  await writeText(canvas, 'what the model sees', '17', { ...below, x: GAP });
  await writeText(canvas, `${signed(Math.min(...values))} (least)`, '17', { ...below, x: right });
  const most = `${signed(Math.max(...values))} (most like the label)`;
  await writeText(canvas, most, '17', { ...below, x: right + side, isRight: true });
  const raw = { width, height: canvas.height, channels: 3 } as const;
  return sharp()(data, { raw, limitInputPixels: false }).png().toBuffer();
}

/** Copies the upper left part of an image into another. */
function place(to: RgbImage, from: RgbImage, left: number, top: number, width: number, height: number): void {
  for (let y = 0; y < Math.min(height, from.height); y++) {
    const start = y * from.width * 3;
    const row = from.data.subarray(start, start + Math.min(width, from.width) * 3);
    to.data.set(row, ((top + y) * to.width + left) * 3);
  }
}

/** A typographic minus, and as many digits as tell the ends of the scale apart. */
function signed(value: number): string {
  return value.toFixed(Math.abs(value) < 1 ? 3 : 1).replace('-', '−');
}
