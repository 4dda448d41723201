import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { readImageFile } from '../../src/image/file.ts';
import { rawExcerpt } from '../../src/image/raw/excerpt.ts';
import { makeRaw, RAW_KINDS } from './made-raw.ts';

const [WIDTH, HEIGHT] = [200, 150] as const;
const raw = { raw: { width: WIDTH, height: HEIGHT, channels: 3 } } as const;
/** A smooth picture: JPEG keeps it within two levels. */
const pixels = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => {
  const [x, y, c] = [Math.trunc(i / 3) % WIDTH, Math.trunc(i / 3 / WIDTH), i % 3];
  return Math.round([x, y, (x + y) / 2][c] as number);
});
const picture = () => sharp(pixels, raw).jpeg({ quality: 95, chromaSubsampling: '4:4:4' });
const thumbnail = () => sharp(pixels, raw).negate().resize(160, 120).jpeg().toBuffer();
const read = (bytes: Uint8Array, wanted = 64) => decode(bytes, 'x', DEFAULT_DECODE, wanted);
/** The picture as the camera's own JPEG holds it, stored upright or turned by its EXIF tag. */
const developed = async (jpeg: Uint8Array, turn = 0) =>
  sharp(jpeg).rotate(turn).removeAlpha().raw().toBuffer({ resolveWithObject: true });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raw-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(RAW_KINDS)('%s', (kind) => {
  it('gives the embedded JPEG, turned as the file says, and not the thumbnail', async () => {
    const jpeg = await picture().toBuffer();
    for (const [orientation, turn] of [
      [1, 0],
      [6, 90],
      [8, 270],
    ] as const) {
      // A RAF has its orientation in the JPEG alone.
      const inside = kind === 'RAF' ? await picture().withMetadata({ orientation }).toBuffer() : jpeg;
      const image = await read(makeRaw(kind, { jpeg: inside, thumbnail: await thumbnail(), orientation }));
      const { data, info } = await developed(jpeg, turn);
      expect([image.width, image.height]).toEqual([info.width, info.height]);
      expect(Buffer.compare(Buffer.from(image.data), data)).toBe(0);
    }
  });

  it('is refused by name if its JPEG is a thumbnail, or smaller than the input of the model', async () => {
    const small = makeRaw(kind, { jpeg: await thumbnail(), thumbnail: await thumbnail(), orientation: 1 });
    await expect(read(small)).rejects.toMatchObject({
      code: 'E_FORMAT',
      message: expect.stringContaining(`(${kind})`),
    });
    const jpeg = await picture().toBuffer();
    const medium = makeRaw(kind, { jpeg, thumbnail: await thumbnail(), orientation: 1 });
    await expect(read(medium, 224)).rejects.toThrow(/only 200 × 150 pixels/);
  });

  it('is read in pieces from a file of 300 MB: the sensor data stay on the disk', async () => {
    const bytes = makeRaw(kind, { jpeg: await picture().toBuffer(), thumbnail: await thumbnail(), orientation: 1 });
    const path = join(folder, `large.${kind.toLowerCase()}`);
    await writeFile(path, bytes);
    await truncate(path, 300_000_000);
    const file = await open(path);
    let total = 0;
    const counting = new Proxy(file, {
      get: (target, name) =>
        name === 'read'
          ? async (...args: Parameters<typeof file.read>) => {
              const result = await file.read(...args);
              total += result.bytesRead;
              return result;
            }
          : Reflect.get(target, name),
    });
    const excerpt = await rawExcerpt(counting, 300_000_000).finally(() => file.close());
    expect(total).toBeLessThan(1_000_000);
    const direct = await read(bytes);
    for (const part of [excerpt ?? Buffer.alloc(0), await readImageFile(path, 'large')])
      expect(Buffer.compare(Buffer.from((await read(part)).data), Buffer.from(direct.data))).toBe(0);
  });

  it('is a named error or the picture when it is cut anywhere', async () => {
    const bytes = makeRaw(kind, { jpeg: await picture().toBuffer(), thumbnail: await thumbnail(), orientation: 1 });
    for (let part = 1; part < 12; part++) {
      const outcome = await read(bytes.subarray(0, Math.trunc((bytes.length * part) / 12))).catch(
        (error: Error) => error,
      );
      if (outcome instanceof Error)
        expect(outcome).toMatchObject({ code: expect.stringMatching(/^E_(FORMAT|DECODE)$/) });
      else expect(outcome.width).toBe(WIDTH);
    }
  });
});
