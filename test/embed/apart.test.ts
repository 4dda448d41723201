import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/clip.ts';
import { LabelProcess } from '../../src/embed/apart.ts';
import { fixture } from '../paths.ts';

const MODEL = fixture('tiny-class');
const SETUP = { model: MODEL, batch: 4, decoders: 4, threads: 1, provider: 'cpu', device: 0 } as const;
const LABELS = [['a photo of a cat', 'a cat'], ['a dog']];

let labels: LabelProcess | undefined;
afterEach(() => labels?.release());

/** A real worker process, built by `npm run build`. */
function open(keptMs: number, signal?: AbortSignal): LabelProcess {
  labels = new LabelProcess(SETUP, { env: process.env, timeout: 10, weightBytes: 0, signal }, keptMs);
  return labels;
}

const children = () =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('image-encoder'))
    .map((line) => Number.parseInt(line, 10));

describe('labels in a worker process', () => {
  it('have the embeddings that this process computes, and the process is kept for the next labels', async () => {
    const clip = await loadModel(MODEL, { cache: false });
    const here = await clip.encodeLabels(LABELS);
    const apart = open(60_000);
    const { rows } = await apart.encodeLabels(LABELS);
    const [pid] = children();
    expect(rows.columns).toBe(here.rows.columns);
    for (const [n, value] of rows.data.entries()) expect(value).toBeCloseTo(here.rows.data[n] as number, 5);
    const many = await apart.encodeLabels(Array.from({ length: 40 }, () => LABELS[0] as string[]));
    for (const [n, value] of many.rows.data.entries())
      expect(value).toBeCloseTo(here.rows.data[n % here.rows.columns] as number, 5);
    const [one, other] = await Promise.all([apart.encodeLabels([LABELS[1] as string[]]), apart.encodeLabels(LABELS)]);
    expect(one.rows.data[0]).toBeCloseTo(other.rows.data[other.rows.columns] as number, 5);
    expect(children()).toEqual([pid]);
    await clip.release();
  });

  it('find an open process if a model expects many of them', async () => {
    const clip = await loadModel(MODEL, { cache: false, isolate: true, manyLabels: true, threads: 1 });
    await expect.poll(() => children().length, { timeout: 10_000 }).toBe(1);
    const before = children();
    await clip.encodeLabels(LABELS);
    expect(children()).toEqual(before);
    await clip.release();
  });

  it('refuse a control token and encode the next labels in the same process', async () => {
    const apart = open(60_000);
    await apart.encodeLabels(LABELS);
    const before = children();
    await expect(apart.encodeLabels([['<|endoftext|>']])).rejects.toMatchObject({ code: 'E_LABELS' });
    expect((await apart.encodeLabels(LABELS)).rows.rows).toBe(2);
    expect(children()).toEqual(before);
  });

  it('are encoded by another process if theirs is killed, also while it works', async () => {
    const apart = open(60_000);
    await apart.encodeLabels(LABELS);
    const [first] = children();
    process.kill(first as number, 'SIGKILL');
    expect((await apart.encodeLabels(LABELS)).rows.rows).toBe(2);
    const [second] = children();
    process.kill(second as number, 'SIGSTOP');
    const working = apart.encodeLabels(LABELS);
    process.kill(second as number, 'SIGKILL');
    expect((await working).rows.rows).toBe(2);
    expect(children()).not.toContain(second);
  });

  it('hold no process when they have not come for a while, or if none is kept', async () => {
    await open(50).encodeLabels(LABELS);
    await expect.poll(children).toEqual([]);
    await labels?.encodeLabels(LABELS);
    labels?.release();
    await open(0).encodeLabels(LABELS);
    await expect.poll(children).toEqual([]);
    expect((await labels?.encodeLabels(LABELS))?.rows.rows).toBe(2);
  });

  it('fail with the reason of an aborted signal, and after the release', async () => {
    const stop = new AbortController();
    const apart = open(60_000, stop.signal);
    await apart.encodeLabels(LABELS);
    const [pid] = children();
    process.kill(pid as number, 'SIGSTOP');
    const working = apart.encodeLabels(LABELS);
    setTimeout(() => stop.abort(new Error('enough')), 20);
    await expect(working).rejects.toThrow('enough');
    const other = open(60_000);
    other.release();
    await expect(other.encodeLabels(LABELS)).rejects.toThrow('released');
    await expect.poll(children).toEqual([]);
  });
});
