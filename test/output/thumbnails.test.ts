import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { thumbnails } from '../../src/output/report/thumbnails.ts';
import { fixture } from '../paths.ts';

const image = (name: string) => fixture(`images/${name}`);
const size = async (address = '') => {
  const [, type, base64 = ''] = /^data:image\/(\w+);base64,(.*)$/.exec(address) ?? [];
  const { format, width, height } = await sharp(Buffer.from(base64, 'base64')).metadata();
  expect(format).toBe(type);
  return [width, height];
};

describe('thumbnails', () => {
  it('are upright, small, and never enlarged', async () => {
    const made = await thumbnails([image('turned.jpg'), image('tall-strip.png'), image('rgba.png')], {
      maxPixels: 1e8,
    });
    expect(await size(made.get(image('turned.jpg')))).toEqual([40, 70]); // 70 × 40 in the file, turned by its EXIF
    expect(await size(made.get(image('tall-strip.png')))).toEqual([2, 240]); // 3 × 400
    expect(await size(made.get(image('rgba.png')))).toEqual([90, 60]);
  });

  it('keep the limits, and leave out what cannot be read', async () => {
    const made = await thumbnails([image('rgb.png'), image('one-pixel.png'), 'nothing.png', fixture('../paths.ts')], {
      maxPixels: 1_000,
    });
    expect([...made.keys()]).toEqual([image('one-pixel.png')]);
  });
});
