import { describe, expect, it } from 'vitest';
import type { ImageResult } from '../../src/classifier.ts';
import { ImageError } from '../../src/errors.ts';
import { matchWriter } from '../../src/output/match.ts';

const labelled = (image: string, label: string | null, pathBytes?: Uint8Array): ImageResult => ({
  ok: true,
  image,
  label,
  score: 0.5,
  labels: [{ label: 'cat', score: 0.5, logit: 1, cosine: 0.1 }],
  ...(pathBytes && { pathBytes }),
});
const FAILED: ImageResult = {
  ok: false,
  image: 'b.jpg',
  error: new ImageError('E_DECODE', 'b.jpg is empty', 'fetch it'),
};
const RESULTS = [
  labelled('a\nb\x1b.jpg', 'cat'),
  labelled('dog.jpg', 'dog'),
  labelled('undecided.jpg', null),
  FAILED,
  labelled('\uFFFD.jpg', 'cat', Uint8Array.of(0xff, 0x2e, 0x6a)),
];

function write(style: { print0?: boolean; terminal?: boolean }) {
  const errors: string[] = [];
  const onError = (error: ImageError) => errors.push(error.code);
  const writer = matchWriter('cat', { print0: false, terminal: false, onError, ...style });
  return { bytes: Buffer.concat(RESULTS.map((result) => Buffer.from(writer.row(result)))), errors };
}

describe('matchWriter', () => {
  it('writes the paths of one label only, with their exact bytes', () => {
    const { bytes, errors } = write({});
    expect(bytes.toString('latin1')).toBe('a\nb\x1b.jpg\n\xff.j\n');
    expect(errors).toEqual(['E_DECODE']);
  });

  it('ends each path with NUL if print0 is set', () => {
    expect(write({ print0: true }).bytes.toString('latin1')).toBe('a\nb\x1b.jpg\0\xff.j\0');
  });

  it('never shows a control character to a terminal', () => {
    expect(write({ terminal: true }).bytes.toString()).toBe('a\uFFFDb\uFFFD.jpg\n\uFFFD.jpg\n');
  });
});
