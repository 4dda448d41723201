import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAll, type ImageEncoder } from '../../src/embed/encoder.ts';
import { encodeInProcesses } from '../../src/embed/parallel.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { sourcesOf } from '../../src/image/given.ts';
import { fixture } from '../paths.ts';

const SETUP = {
  model: fixture('tiny-class'),
  dtype: 'fp32',
  batch: 4,
  decoders: 4,
  provider: 'cpu',
  device: 0,
} as const;
const IMAGES = Array.from({ length: 8 }, () => ['rgb.png', 'odd.jpg', 'frame.gif'])
  .flat()
  .map((name) => fixture(`images/${name}`));

let encoder: ImageEncoder | undefined;
afterEach(() => encoder?.release());

/** The real child processes, built by `npm run build`, that are seen after each result. */
async function encode(threads: number) {
  encoder = encodeInProcesses({ ...SETUP, threads }, { env: process.env, timeout: 10, weightBytes: 0 });
  const embeddings: number[][] = [];
  let processes = 0;
  for await (const result of encodeAll(encoder, sourcesOf(IMAGES), DEFAULT_DECODE, 12)) {
    if (!result.ok) throw result.error;
    expect(result.image).toBe(IMAGES[embeddings.length]);
    embeddings.push([...result.embedding.data]);
    processes = Math.max(processes, children());
  }
  return { embeddings, processes };
}

function children(): number {
  const list = execFileSync('ps', ['-o', 'args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  return list.split('\n').filter((line) => line.includes('image-encoder.js')).length;
}

describe('images encoded in processes', () => {
  it('share two of them, and come back in order with the embeddings that one alone gives', async () => {
    const one = await encode(1);
    await encoder?.release();
    const two = await encode(2);
    expect([one.processes, two.processes]).toEqual([1, 2]);
    // Batches differ, and with them the order of sums in float32.
    for (const [n, embedding] of two.embeddings.entries())
      for (const [d, value] of embedding.entries())
        expect(Math.abs(value - (one.embeddings[n]?.[d] as number))).toBeLessThan(1e-6);
  });
});
