import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAll, type ImageEncoder } from '../../src/embed/encoder.ts';
import { encodeInProcesses } from '../../src/embed/parallel.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { sourcesOf } from '../../src/image/given.ts';
import { fixture } from '../paths.ts';

const TROUBLED = fileURLToPath(new URL('troubled-child.mjs', import.meta.url));
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

/** The real worker processes, built by `npm run build`, that are found after each result. */
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

function children(program = 'image-encoder.js'): number {
  const list = execFileSync('ps', ['-o', 'args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  return list.split('\n').filter((line) => line.includes(program)).length;
}

describe('images encoded in processes', () => {
  it('share two processes, and come back in order with the same embeddings as from one', async () => {
    const one = await encode(1);
    await encoder?.release();
    const two = await encode(2);
    expect([one.processes, two.processes]).toEqual([1, 2]);
    // Batches differ, and with them the order of sums in float32.
    for (const [n, embedding] of two.embeddings.entries())
      for (const [d, value] of embedding.entries())
        expect(Math.abs(value - (one.embeddings[n]?.[d] as number))).toBeLessThan(1e-6);
  });

  it('all succeed if memory is enough for one process only, which then does the rest', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crowded-'));
    const images = Array.from({ length: 24 }, (_, n) => join(folder, n < 16 ? `${n}-big.png` : `${n}-small.png`));
    for (const image of images) await copyFile(fixture('images/rgb.png'), image);
    encoder = encodeInProcesses(
      { ...SETUP, threads: 2 },
      { env: process.env, timeout: 10, weightBytes: 0, program: TROUBLED },
    );
    const outcomes: string[] = [];
    for await (const result of encodeAll(encoder, sourcesOf(images), DEFAULT_DECODE, 12))
      outcomes.push(result.ok ? 'ok' : result.error.code);
    expect(outcomes).toEqual(images.map(() => 'ok'));
    expect(children('troubled-child')).toBe(1);
    await rm(folder, { recursive: true });
  });
});
