import type { RgbImage } from './resample.ts';

/**
 * Turns a picture upright.
 *
 * @param orientation the EXIF orientation (EXIF 2.32, tag 0x0112), 1 to 8; other values change nothing
 */
export function turnUpright(image: RgbImage, orientation: number): RgbImage {
  const { width, height, data } = image;
  if (!(orientation >= 2 && orientation <= 8)) return image;
  const swapped = orientation > 4;
  const mirrored = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
  const upsideDown = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
  const [w, h] = swapped ? [height, width] : [width, height];
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [sx, sy] = swapped ? [y, x] : [x, y];
      const toX = (swapped ? upsideDown : mirrored) ? w - 1 - sx : sx;
      const toY = (swapped ? mirrored : upsideDown) ? h - 1 - sy : sy;
      const [from, to] = [(y * width + x) * 3, (toY * w + toX) * 3];
      turned[to] = data[from] as number;
      turned[to + 1] = data[from + 1] as number;
      turned[to + 2] = data[from + 2] as number;
    }
  }
  return { width: w, height: h, data: turned };
}
