import sharp from 'sharp';
import { random } from './random.ts';

const SIZE = { width: 61, height: 47 };

/** Small complete pictures of the six formats, in variants that use different parts of their decoders. */
export async function seeds(): Promise<readonly Buffer[]> {
  const next = random(11);
  const pixels = Uint8Array.from({ length: SIZE.width * SIZE.height * 4 }, (_, i) => (i % 97) + (next() & 63));
  const picture = () => sharp(pixels, { raw: { ...SIZE, channels: 4 } });
  const opaque = () => picture().removeAlpha();
  const frames = sharp([await opaque().png().toBuffer(), await opaque().negate().png().toBuffer()], {
    join: { animated: true },
  });
  return Promise.all(
    [
      opaque().jpeg(),
      opaque().jpeg({ progressive: true }).withMetadata({ orientation: 6 }),
      picture().png(),
      opaque().png({ progressive: true, palette: true }),
      picture().webp({ lossless: true }),
      opaque().webp({ quality: 50 }),
      frames.clone().gif(),
      frames.clone().webp(),
      opaque().tiff({ compression: 'lzw' }),
      picture().tiff({ compression: 'deflate', tile: true, tileWidth: 32, tileHeight: 32 }),
      opaque().avif({ effort: 0 }),
      picture().avif({ effort: 0, chromaSubsampling: '4:4:4' }),
    ].map((image) => image.toBuffer()),
  );
}

/** Damaged copies, seed by seed, always the same ones: bits flipped, numbers made extreme, parts cut, moved, repeated. */
export function* mutants(whole: readonly Buffer[], count: number, seed: number): Generator<Buffer> {
  const next = random(seed);
  for (let n = 0; n < count; n++) {
    const bytes = Buffer.from(whole[n % whole.length] as Buffer);
    // Damage of headers finds more errors.
    const at = () => next() % (next() % 2 === 0 ? bytes.length : Math.min(bytes.length, 128));
    const kind = next() % 6;
    if (kind <= 1) for (let i = next() % 8; i >= 0; i--) bytes[at()] = next() & 255;
    if (kind === 2) for (let i = next() % 4; i >= 0; i--) bytes[at()] = (bytes[at()] as number) ^ (1 << (next() % 8));
    if (kind === 3)
      bytes.writeUInt32BE([0, 1, 0x7fffffff, 0xffffffff][next() % 4] as number, at() % (bytes.length - 4));
    if (kind === 4) bytes.copyWithin(at(), at(), at());
    yield kind === 5 ? bytes.subarray(0, at()) : bytes;
  }
}
