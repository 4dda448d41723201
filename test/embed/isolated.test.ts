import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/clip.ts';
import { type Embedded, encodeAll, type ImageEncoder } from '../../src/embed/encoder.ts';
import { IsolatedEncoder } from '../../src/embed/isolated.ts';
import { DEFAULT_DECODE } from '../../src/image/decode-options.ts';
import { sourcesOf } from '../../src/image/given.ts';
import { sourceOfText } from '../../src/image/source.ts';
import { fixture } from '../paths.ts';
import { starve } from './starve.ts';

const TROUBLED = fileURLToPath(new URL('troubled-child.mjs', import.meta.url));
const MODEL = fixture('tiny-class');
const SETUP = {
  model: MODEL,
  dtype: 'fp32',
  batch: 4,
  decoders: 4,
  threads: 1,
  provider: 'cpu',
  device: 0,
} as const;

let folder: string;
let encoder: ImageEncoder | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'isolated-'));
});
afterEach(() => encoder?.release());
afterAll(() => rm(folder, { recursive: true }));

/** A real worker process, built by `npm run build`. */
function start({ timeout = 10, program = undefined as string | undefined, model = MODEL } = {}): ImageEncoder {
  encoder = new IsolatedEncoder(
    { ...SETUP, model },
    { env: process.env, timeout, weightBytes: 0, ...(program && { program }) },
  );
  return encoder;
}

async function all(images: readonly string[], from: ImageEncoder): Promise<Embedded[]> {
  const results: Embedded[] = [];
  for await (const result of encodeAll(from, sourcesOf(images), DEFAULT_DECODE, 12)) results.push(result);
  return results;
}

async function copies(count: number, name: (n: number) => string): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, n) => join(folder, name(n)));
  for (const path of paths) await copyFile(fixture('images/rgb.png'), path);
  return paths;
}

const outcomes = (results: readonly Embedded[]) => results.map((result) => (result.ok ? 'ok' : result.error.code));
const children = () =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /image-encoder\.js|troubled-child/.test(line))
    .map((line) => Number.parseInt(line, 10));

describe('images encoded in a worker process', () => {
  it('have the same embeddings and errors as in this process', async () => {
    const images = ['rgb.png', 'odd.jpg', 'nothing.jpg', 'page.tiff', '../tiny-class/config.json', 'frame.gif'].map(
      (name) => fixture(`images/${name}`),
    );
    const isolated = await all(images, start());
    const clip = await loadModel(MODEL, { threads: 1 });
    let n = 0;
    for await (const local of clip.encodeImages(images)) {
      const other = isolated[n++];
      expect(other?.image).toBe(local.image);
      if (local.ok && other?.ok) {
        // Batches differ, and with them the order of sums in float32.
        for (const [d, value] of local.embedding.data.entries())
          expect(Math.abs(value - (other.embedding.data[d] as number))).toBeLessThan(1e-6);
      } else if (!local.ok && other?.ok === false) {
        expect([other.error.code, other.error.message]).toEqual([local.error.code, local.error.message]);
      } else throw new Error(`${local.image} came out differently`);
    }
    expect(n).toBe(images.length);
    await clip.release();
  });

  it('all succeed if their process is killed from outside', async () => {
    const images = await copies(60, (n) => `${n}.png`);
    const from = start();
    const results: Embedded[] = [];
    for await (const result of encodeAll(from, sourcesOf(images), DEFAULT_DECODE, 12)) {
      results.push(result);
      if (results.length % 20 === 10) for (const pid of children()) process.kill(pid, 'SIGKILL');
    }
    expect(results.map(({ image }) => image)).toEqual(images);
    expect(outcomes(results)).toEqual(images.map(() => 'ok'));
  });

  it.skipIf(process.platform !== 'linux')('all succeed if their process gets no more memory (Linux)', async () => {
    const images = await copies(400, (n) => `starved-${n}.png`);
    const from = start();
    const results: Embedded[] = [];
    let starved = 0;
    for await (const result of encodeAll(from, sourcesOf(images), DEFAULT_DECODE, 12)) {
      results.push(result);
      if (results.length % 100 === 50) for (const pid of children()) if (starve(pid)) starved++;
    }
    expect(starved).toBeGreaterThan(1);
    expect(results.map(({ image }) => image)).toEqual(images);
    expect(outcomes(results)).toEqual(images.map(() => 'ok'));
  });

  it('are tried again alone if one of them crashes the process, and only this one fails', async () => {
    const images = await copies(30, (n) => (n === 7 || n === 21 ? `${n}-killer.png` : `${n}-fine.png`));
    const results = await all(images, start({ program: TROUBLED }));
    expect(results.map(({ image }) => image)).toEqual(images);
    expect(outcomes(results)).toEqual(images.map((path) => (path.includes('killer') ? 'E_CRASH' : 'ok')));
    expect(results[7]).toMatchObject({ error: { message: expect.stringContaining('SIGSEGV') } });
  });

  it('time out if they hang, and the other images continue', async () => {
    const images = await copies(12, (n) => (n === 5 ? `${n}-hang.png` : `${n}-calm.png`));
    const begun = performance.now();
    const results = await all(images, start({ program: TROUBLED, timeout: 1 }));
    expect(outcomes(results)).toEqual(images.map((path) => (path.includes('hang') ? 'E_TIMEOUT' : 'ok')));
    // Twice the limit, because several images were being decoded, and three starts of a process on a busy machine.
    expect((performance.now() - begun) / 1000).toBeLessThan(20);
  });

  it('continue in a new process if theirs is stopped', async () => {
    const images = await copies(40, (n) => `${n}-stopped.png`);
    const results: Embedded[] = [];
    let stopped = 0;
    for await (const result of encodeAll(start({ timeout: 1 }), sourcesOf(images), DEFAULT_DECODE, 12)) {
      results.push(result);
      if (results.length === 10) {
        for (const pid of children()) process.kill(pid, 'SIGSTOP');
        stopped++;
      }
    }
    expect(stopped).toBe(1);
    expect(results.map(({ image }) => image)).toEqual(images);
    expect(outcomes(results).filter((code) => code !== 'ok' && code !== 'E_TIMEOUT')).toEqual([]);
  });

  it('are answered one by one if they arrive slowly', async () => {
    const image = fixture('images/rgb.png');
    const from = start();
    let answered = 0;
    async function* trickle() {
      for (let n = 0; n < 3; n++) {
        if (n > 0) while (answered < n) await new Promise((done) => setTimeout(done, 5));
        yield image;
      }
    }
    for await (const result of encodeAll(from, sourcesOf(trickle()), DEFAULT_DECODE, 12)) {
      expect(result.ok).toBe(true);
      answered++;
    }
    expect(answered).toBe(3);
  });

  it('end the run if the model cannot be opened', async () => {
    const model = fixture('images');
    await expect(
      start({ model }).encode(sourceOfText(fixture('images/rgb.png')), DEFAULT_DECODE),
    ).rejects.toMatchObject({
      code: 'E_MODEL',
    });
    await expect(encoder?.provider()).rejects.toMatchObject({ code: 'E_MODEL' });
  });

  it('end with the reason of a signal, and so do later images', async () => {
    const stop = new AbortController();
    const clip = await loadModel(MODEL, { isolate: true, threads: 1, signal: stop.signal });
    const classify = async () => {
      let results = 0;
      for await (const _ of clip.encodeImages(Array(200).fill(fixture('images/rgb.png')))) {
        if (++results === 3) stop.abort(new Error('enough'));
      }
    };
    await expect(classify()).rejects.toThrow('enough');
    await expect(classify()).rejects.toThrow('enough');
    await clip.release();
    const late = await loadModel(MODEL, { isolate: true, threads: 1, signal: stop.signal });
    await expect(late.provider()).rejects.toThrow('enough');
    await late.release();
    await expect.poll(children).toEqual([]);
  });

  it('leave no process behind', async () => {
    await start().encode(sourceOfText(fixture('images/rgb.png')), DEFAULT_DECODE);
    const [pid] = children();
    await encoder?.release();
    await expect.poll(() => children().includes(pid as number)).toBe(false);
  });
});
