import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decode } from '../../src/image/decode.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { fitImage } from '../../src/image/preprocess.ts';
import { fixture, hasShared, shared } from '../paths.ts';
import { png, REFUSED } from './bombs.ts';
import { ENTITY, LEAKY, SVG } from './leaky-svg.ts';
import { mutants, seeds } from './mutants.ts';
import { outcome, PREPROCESSING } from './outcome.ts';

describe('hostile images', () => {
  it('gives finite values or a listed error for each of 1,200 damaged copies', async () => {
    const counts = new Map<string, number>();
    for (const mutant of mutants(await seeds(), 1200, 1)) {
      const code = await outcome(mutant);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    expect(counts.get('ok')).toBeGreaterThan(100);
    expect(counts.get('E_DECODE')).toBeGreaterThan(100);
  }, 300_000);

  it.each(REFUSED)('refuses %s before decoding it', async (_, make) => {
    const bytes = await make();
    await expect(decode(bytes, 'x', { ...DEFAULT_DECODE, svg: true })).rejects.toMatchObject({ code: 'E_PIXEL_LIMIT' });
  });

  it('has a lower limit for formats that need more memory, also if the limit is changed', async () => {
    const interlaced = png(7_000, 6_000, 8, 0, true);
    const [low, raised] = [41e6, 200e6];
    expect(await outcome(interlaced)).toBe('E_PIXEL_LIMIT');
    expect(await outcome(interlaced, { maxPixels: low })).toBe('E_PIXEL_LIMIT');
    expect(await outcome(interlaced, { maxPixels: raised })).toBe('ok');
    expect(await outcome(png(7_000, 6_000, 8, 0))).toBe('ok');
  });

  it('decodes large images that are requested at once', async () => {
    const images = [png(5_000, 4_000, 8, 0), png(4_000, 5_000, 8, 0), png(4_500, 4_500, 8, 2)];
    const decoded = await Promise.all(images.map((bytes) => decode(bytes, 'x', DEFAULT_DECODE)));
    expect(decoded.map(({ width, height }) => [width, height])).toEqual([
      [5_000, 4_000],
      [4_000, 5_000],
      [4_500, 4_500],
    ]);
  });
});

describe('formats', () => {
  it.each([
    ['PPM', 'P3 1 1 255 1 2 3'],
    ['an image of libvips', `\xb6\xa6\xf2\x08${'\0'.repeat(60)}`],
    ['a matrix of libvips', '1 1 1 0\n5\n'],
    ['FITS', 'SIMPLE  =                    T'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['an SVG that begins like an AVIF', `\0\0\0\x18ftypmiaf${SVG}</svg>`],
    ['an SVG that is compressed', '\x1f\x8b\x08\0\0\0\0\0'],
  ])('lets %s not through', async (_, text) => {
    expect(['E_FORMAT', 'E_DECODE']).toContain(await outcome(Buffer.from(text, 'latin1'), { svg: true }));
  });

  it('allows only the libvips loaders of the supported formats, also if the bytes are of another format', async () => {
    await outcome(Buffer.from('P3 1 1 255 1 2 3'));
    await decode(readFileSync(fixture('images/rgb.png')), 'x', DEFAULT_DECODE);
    await expect(sharp(Buffer.from('P3 1 1 255 1 2 3')).metadata()).rejects.toThrow('unsupported image format');
  });

  it('refuses SVG and names the option that allows it', async () => {
    const bytes = Buffer.from(`<?xml version="1.0"?>\n<!-- a drawing -->\n${SVG}</svg>`);
    await expect(decode(bytes, 'x', DEFAULT_DECODE)).rejects.toMatchObject({
      code: 'E_FORMAT',
      nextStep: expect.stringContaining('add `svg`'),
    });
  });

  it('draws SVG on white when it is allowed', async () => {
    const bytes = Buffer.from(`${SVG}<rect width="10" height="10" fill="#f00"/></svg>`);
    const { width, height, data } = await decode(bytes, 'x', { ...DEFAULT_DECODE, svg: true });
    expect([width, height]).toEqual([20, 10]);
    expect([...data.slice(0, 3), ...data.slice(-3)]).toEqual([255, 0, 0, 255, 255, 255]);
  });

  it.each(LEAKY)('does not draw another file that an SVG names as %s', async (_, leaky) => {
    for (const url of [fixture('images/rgb.png'), `file://${fixture('images/rgb.png')}`, 'http://127.0.0.1:9/x.png']) {
      const { data } = await decode(Buffer.from(leaky(url)), 'x', { ...DEFAULT_DECODE, svg: true });
      expect(data.every((value) => value === 255)).toBe(true);
    }
  });

  it('does not draw an entity that stands for a file', async () => {
    const code = await outcome(Buffer.from(ENTITY), { svg: true });
    if (code !== 'E_DECODE') {
      const { data } = await decode(Buffer.from(ENTITY), 'x', { ...DEFAULT_DECODE, svg: true });
      expect(data.every((value) => value === 255)).toBe(true);
    }
  });
});

describe.skipIf(!hasShared)('the hostile corpus (../shared; skipped where it is missing)', () => {
  const root = `${shared}hostile/`;
  const files = hasShared
    ? readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(root, file)).isFile())
    : [];

  it('gives finite values or a listed error for each file, with SVG allowed or not', async () => {
    expect(files.length).toBeGreaterThan(900);
    for (const file of files) {
      const bytes = readFileSync(join(root, file));
      if (bytes.length === 0) continue; // refused by readSource
      await outcome(bytes);
      if (file.startsWith('librsvg')) await outcome(bytes, { svg: true });
    }
  }, 300_000);

  // Its names say it (PngSuite.README): x and something is corrupt; the third letter is n or i for interlacing.
  const suite = files.filter((file) => /^image-png\/[a-z]\w\w[ni]\dg?\w?\d\d\.png$/.test(file));
  const suiteOutcomes = () => Promise.all(suite.map((file) => outcome(readFileSync(join(root, file)))));

  it(`accepts the good and refuses the corrupt files of PngSuite (${suite.length} files)`, async () => {
    const outcomes = await suiteOutcomes();
    for (const [n, file] of suite.entries()) {
      expect([file, outcomes[n] === 'ok']).toEqual([file, !/\/x/.test(file)]);
    }
  });

  it.each(['Landscape', 'Portrait'])('turns %s to the same picture from all eight orientations', async (name) => {
    const pictures = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map(async (n) => {
        const bytes = readFileSync(join(root, `exif-orientation-examples/${name}_${n}.jpg`));
        return fitImage(await decode(bytes, name, DEFAULT_DECODE), { ...PREPROCESSING, size: 224, resizeTo: 224 });
      }),
    );
    const first = pictures[0]?.data as Uint8Array;
    // Each file is a JPEG of its own, so the pixels are near, not equal; the digit drawn on it differs.
    for (const { data } of pictures) {
      let distance = 0;
      for (const [i, value] of data.entries()) distance += Math.abs(value - (first[i] as number));
      expect(distance / data.length).toBeLessThan(8);
    }
  });
});
