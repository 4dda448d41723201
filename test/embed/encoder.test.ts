import { describe, expect, it } from 'vitest';
import { type Embedded, encodeAll, type ImageEncoder } from '../../src/embed/encoder.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import type { ImageSource } from '../../src/image/source.ts';
import { l2Normalize } from '../../src/tensor.ts';

/** An encoder that knows images with an even number, and records which others it encodes. */
function halfKnown() {
  const encoded: string[] = [];
  const resultOf = ({ name }: ImageSource): Embedded => {
    const data = Float32Array.of(Number(name), 1);
    return { ok: true, image: name, embedding: l2Normalize({ rows: 1, columns: 2, data }) };
  };
  const encoder: ImageEncoder = {
    provider: async () => 'cpu',
    encode: async (source) => {
      encoded.push(source.name);
      return resultOf(source);
    },
    recall: async () => (source) => (Number(source.name) % 2 === 0 ? resultOf(source) : undefined),
    release: async () => {},
  };
  return { encoder, encoded };
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, n): ImageSource => ({ kind: 'file', name: `${n}`, path: `${n}` }));

describe('known images', () => {
  it('are not encoded, also after others that are', async () => {
    const { encoder, encoded } = halfKnown();
    const images: string[] = [];
    for await (const one of encodeAll(encoder, numbered(101), DEFAULT_DECODE, 8)) images.push(one.image);
    expect(images).toEqual(numbered(101).map(({ name }) => name));
    expect(encoded).toEqual(numbered(101).flatMap(({ name }, n) => (n % 2 === 1 ? name : [])));
  });

  it('end with the reason of a signal', async () => {
    const { encoder } = halfKnown();
    const stop = new AbortController();
    const read = async () => {
      for await (const { image } of encodeAll(encoder, numbered(1000), DEFAULT_DECODE, 8, stop.signal))
        if (image === '10') stop.abort(new Error('enough'));
    };
    await expect(read()).rejects.toThrow('enough');
  });
});
