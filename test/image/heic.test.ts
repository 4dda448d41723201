import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { decodeHeicInThisProcess } from '../../src/image/heic-process.ts';
import { bin } from '../cli/program.ts';
import { fixture } from '../paths.ts';
import { random } from './random.ts';

// Recorded by test/golden/record_heif.py. libheif-js skips HEVC's loop filters, which moves pixels of quality 90 by less than a level.
const heif = (name: string) => readFile(fixture(`heif/${name}`));
const pixelsOf = async (name: string) =>
  sharp(await heif(name))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
const read = (bytes: Uint8Array, options = {}) => decode(bytes, 'x.heic', { ...DEFAULT_DECODE, ...options });

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let sum = 0;
  for (let n = 0; n < a.length; n++) sum += Math.abs((a[n] as number) - (b[n] as number));
  return sum / a.length;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heic-'));
  decodeHeicInThisProcess();
});
afterAll(() => rm(folder, { recursive: true }));

describe('HEIC', () => {
  it.each(['photo', 'turned'])('gives the pixels and the rotation that libheif gives: %s', async (name) => {
    const { data, info } = await pixelsOf(`${name}.png`);
    const image = await read(await heif(`${name}.heic`));
    expect([image.width, image.height]).toEqual([info.width, info.height]);
    expect(distance(image.data, data)).toBeLessThan(2);
  });

  it('is put on the background if there is one', async () => {
    const { data, width } = await read(await heif('clear.heic'), { background: [0, 128, 0] });
    expect(distance(data.subarray(0, 3), [0, 128, 0])).toBeLessThan(3);
    const plain = await read(await heif('photo.heic'));
    const right = (width - 1) * 3;
    expect(distance(data.subarray(right, right + 3), plain.data.subarray(right, right + 3))).toBeLessThan(8);
  });

  it('is refused over the limit of pixels, before libheif sees it', async () => {
    const whole = await heif('photo.heic');
    const undecodable = whole.subarray(0, whole.length / 2);
    await expect(read(undecodable)).rejects.toMatchObject({ code: 'E_DECODE' });
    await expect(read(undecodable, { maxPixels: 5_000 })).rejects.toMatchObject({ code: 'E_PIXEL_LIMIT' });
  });

  it('is an image or a named error in each of 200 damaged copies, also of those that are cut', async () => {
    const whole = await heif('photo.heic');
    const next = random(26);
    const share = () => next() / 2 ** 32;
    const counts = { images: 0, errors: 0 };
    for (let copy = 0; copy < 200; copy++) {
      const damaged = Buffer.from(copy % 4 === 0 ? whole.subarray(0, Math.trunc(share() * whole.length)) : whole);
      for (let n = 0; n < 1 + (copy % 8); n++)
        if (damaged.length > 0) damaged[Math.trunc(share() * damaged.length)] = Math.trunc(share() * 256);
      const image = await read(damaged).catch((error: unknown) => error);
      counts[image instanceof Error ? 'errors' : 'images']++;
      if (image instanceof Error) expect(image).toBeInstanceOf(ImageError);
      else expect(image).toHaveProperty('data.length');
    }
    expect(Math.min(counts.images, counts.errors)).toBeGreaterThan(10);
  });
});

it('reads the primary picture of an animated AVIF', async () => {
  const { data } = await pixelsOf('loop.png');
  expect(distance((await read(await heif('loop.avif'))).data, data)).toBeLessThan(2);
});

describe('the program', () => {
  /** Writes down each CommonJS package that this process and its children load. */
  const listening = async () => {
    const log = join(folder, 'loaded');
    const hook = join(folder, 'hook.cjs');
    await writeFile(log, '');
    await writeFile(
      hook,
      `const { Module } = require('node:module'); const { appendFileSync } = require('node:fs'); const load = Module._load;
       Module._load = (name, ...rest) => { appendFileSync(${JSON.stringify(log)}, name + '\\n'); return load(name, ...rest); };`,
    );
    return { log, env: { ...process.env, NODE_OPTIONS: `--require ${hook}` } };
  };

  it('loads the package for HEIC only when such an image comes', async () => {
    for (const [image, isLoaded] of [
      [fixture('images/odd.jpg'), false],
      [fixture('heif/photo.heic'), true],
    ] as const) {
      const { log, env } = await listening();
      const args = [bin, image, '-l', 'cat,dog', '-m', fixture('tiny-class'), '-f', 'label'];
      expect(execFileSync(process.execPath, args, { env, encoding: 'utf8' })).toMatch(/^(cat|dog)\n$/);
      const loaded = await readFile(log, 'utf8');
      expect(loaded).toContain('onnxruntime-node');
      expect(loaded.includes('libheif-bundle')).toBe(isLoaded);
    }
  });
});
