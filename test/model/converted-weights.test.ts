import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storageOf } from '../../src/checkpoint/convert.ts';
import { widen } from '../../src/checkpoint/floats.ts';
import type { Checkpoint } from '../../src/checkpoint/safetensors.ts';
import { CacheError, ModelError } from '../../src/errors.ts';
import { convertedWeights, removeConverted, verifyConverted } from '../../src/model/converted-weights.ts';
import { readModelFolder } from '../../src/model/folder.ts';
import { fixture } from '../paths.ts';

let folder: string;
let env: { CLIP_CLASSIFY_CACHE: string };
let checkpoint: Checkpoint;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
  env = { CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
  await cp(fixture('tiny-class'), join(folder, 'model'), { recursive: true });
  ({ checkpoint } = await readModelFolder(join(folder, 'model')));
});
afterEach(() => rm(folder, { recursive: true }));

async function tensor({ file, ...from }: Checkpoint, name: string): Promise<Uint8Array> {
  const entry = from.tensors.get(name) ?? expect.fail(`no ${name}`);
  return (await readFile(file)).subarray(entry.offset, entry.offset + entry.bytes);
}
const floats = async (from: Checkpoint, name: string) =>
  widen(await tensor(from, name), from.tensors.get(name)?.dtype ?? '');

const FC1 = 'vision_model.encoder.layers.1.mlp.fc1.weight';

describe('convertedWeights', () => {
  it('quantises all blocks except the first, and copies the rest of the image encoder byte for byte', async () => {
    const { checkpoint: made, weights } = await convertedWeights(checkpoint, 'image', 'int8', env);
    expect(weights).toEqual({ folder: made.folder, file: made.file });
    const steps = new Int8Array(await tensor(made, FC1));
    const [scales, weight] = [await floats(made, `${FC1}_step`), await floats(checkpoint, FC1)];
    const [inputs = 0, outputs = 0] = made.tensor(FC1).shape;
    expect(checkpoint.tensor(FC1).shape).toEqual([outputs, inputs]);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        const restored = (steps[i * outputs + o] as number) * (scales[o] as number);
        expect(Math.abs(restored - (weight[o * inputs + i] as number))).toBeLessThan((scales[o] as number) * 0.5001);
      }
    }
    const kinds = [...made.tensors.values()].filter(({ dtype }) => dtype === 'I8').map(({ name }) => name);
    expect(kinds).toHaveLength(6);
    const copied = [...made.tensors.keys()].filter((name) => checkpoint.has(name) && !kinds.includes(name));
    expect(copied).toContain('visual_projection.weight');
    expect(copied).not.toContain('text_projection.weight');
    for (const name of copied) expect(await tensor(made, name)).toEqual(await tensor(checkpoint, name));
  });

  it('rounds matrices to fp16: no weight changes by more than 2⁻¹¹ of its value', async () => {
    const { checkpoint: made } = await convertedWeights(checkpoint, 'text', 'fp16', env);
    for (const { name, dtype, shape } of made.tensors.values()) {
      expect(dtype).toBe(shape.length >= 2 ? 'F16' : 'F32');
      const [halved, weight] = [await floats(made, name), await floats(checkpoint, name)];
      for (const [n, value] of weight.entries()) {
        expect(Math.abs((halved[n] as number) - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11 + 2 ** -25);
      }
    }
  });

  it('does not convert weights that already have the requested precision', async () => {
    const half = (await readModelFolder(fixture('tiny-gelu-f16'))).checkpoint;
    expect([storageOf(half, 'image', 'fp16'), storageOf(half, 'image', 'int8')]).toEqual([undefined, 'int8']);
    expect([storageOf(checkpoint, 'text', 'int8'), storageOf(checkpoint, 'text', 'fp16')]).toEqual([undefined, 'fp16']);
  });

  it('writes once, and keeps only the latest state of the checkpoint', async () => {
    const { checkpoint: first } = await convertedWeights(checkpoint, 'image', 'int8', env);
    const written = (await stat(first.file, { bigint: true })).mtimeNs;
    const { checkpoint: again } = await convertedWeights(checkpoint, 'image', 'int8', env);
    expect((await stat(again.file, { bigint: true })).mtimeNs).toBe(written);
    await utimes(checkpoint.file, 1, 1);
    const { checkpoint: other } = await convertedWeights(checkpoint, 'image', 'int8', env);
    expect(other.folder).not.toBe(first.folder);
    expect((await readdir(other.folder)).sort()).toEqual(['image-int8.safetensors', 'image-int8.safetensors.json']);
    expect(await readdir(join(env.CLIP_CLASSIFY_CACHE, 'weights'))).toEqual([basename(other.folder)]);
  });

  it('keeps both precisions, both encoders, and the files of other checkpoints', async () => {
    await cp(join(folder, 'model'), join(folder, 'model-2'), { recursive: true });
    const { checkpoint: second } = await readModelFolder(join(folder, 'model-2'));
    await convertedWeights(second, 'image', 'int8', env);
    for (const encoder of ['image', 'text'] as const)
      for (const storage of ['fp16', 'int8'] as const) await convertedWeights(checkpoint, encoder, storage, env);
    const names = await readdir(join(env.CLIP_CLASSIFY_CACHE, 'weights'), { recursive: true });
    expect(names.filter((name) => name.endsWith('.safetensors'))).toHaveLength(5);
    await removeConverted(join(folder, 'model'), env);
    expect(await readdir(join(env.CLIP_CLASSIFY_CACHE, 'weights'))).toHaveLength(1);
  });

  it('deletes the partial file of a killed process, also if the complete file is good', async () => {
    const { checkpoint: made } = await convertedWeights(checkpoint, 'image', 'int8', env);
    await writeFile(`${made.file}.999999-0.tmp`, 'half');
    await convertedWeights(checkpoint, 'image', 'int8', env);
    expect((await readdir(made.folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it.each([
    ['a flipped bit', async (path: string, good: Buffer) => writeFile(path, flipped(good, good.length - 9))],
    ['a flipped bit in the header', async (path: string, good: Buffer) => writeFile(path, flipped(good, 40))],
    ['a cut', async (path: string, good: Buffer) => truncate(path, good.length - 1)],
    ['nothing left', async (path: string) => truncate(path, 0)],
    ['a seal that is damaged', async (path: string) => writeFile(`${path}.json`, '{')],
    ['no file', async (path: string) => rm(path)],
  ])('writes anew after %s', async (_, damage) => {
    const { checkpoint: made } = await convertedWeights(checkpoint, 'image', 'int8', env);
    const good = await readFile(made.file);
    await damage(made.file, good);
    await convertedWeights(checkpoint, 'image', 'int8', env);
    expect(await readFile(made.file)).toEqual(good);
  });

  it('finds damage when it verifies, even if size and times are unchanged', async () => {
    const { checkpoint: made } = await convertedWeights(checkpoint, 'image', 'int8', env);
    expect(await verifyConverted(join(folder, 'model'), env)).toEqual([{ path: made.file, state: 'good' }]);
    expect(await verifyConverted(fixture('tiny-class'), env)).toEqual([]);
    const seal = JSON.parse(await readFile(`${made.file}.json`, 'utf8'));
    await writeFile(`${made.file}.json`, JSON.stringify({ ...seal, sha256: '0'.repeat(64) }));
    expect(await verifyConverted(join(folder, 'model'), env)).toEqual([{ path: made.file, state: 'changed' }]);
  });

  it('hashes a file that was only touched, and keeps it', async () => {
    const { checkpoint: made } = await convertedWeights(checkpoint, 'image', 'int8', env);
    await utimes(made.file, 1, 1);
    await convertedWeights(checkpoint, 'image', 'int8', env);
    expect((await stat(made.file)).mtimeMs).toBe(1000);
  });

  it('converts in memory to the same bytes if the cache cannot be written', async () => {
    await writeFile(join(folder, 'no-folder'), '');
    const troubles: unknown[] = [];
    const broken = { CLIP_CLASSIFY_CACHE: join(folder, 'no-folder/cache') };
    const { checkpoint: made, weights } = await convertedWeights(checkpoint, 'image', 'int8', broken, (error) =>
      troubles.push(error),
    );
    expect(troubles).toEqual([expect.any(CacheError)]);
    const { checkpoint: kept } = await convertedWeights(checkpoint, 'image', 'int8', env);
    expect(Buffer.from('data' in weights ? weights.data : [])).toEqual(await readFile(kept.file));
    expect(made.tensors).toEqual(kept.tensors);
  });

  it.each([
    ['fp16', 70_000],
    ['int8', Number.NaN],
  ] as const)('refuses for %s a weight of %d', async (storage, value) => {
    const bytes = await readFile(checkpoint.file);
    bytes.writeFloatLE(value, checkpoint.tensor(FC1).offset + 8);
    await writeFile(checkpoint.file, bytes);
    const work = convertedWeights(checkpoint, 'image', storage, env);
    await expect(work).rejects.toThrow(ModelError);
    await expect(work).rejects.toThrow(FC1);
  });

  it('writes one good file if four processes convert at once', async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => convertedWeights(checkpoint, 'image', 'int8', env)));
    expect(new Set(all.map(({ checkpoint: { file } }) => file)).size).toBe(1);
    expect(await verifyConverted(join(folder, 'model'), env)).toEqual([
      { path: all[0]?.checkpoint.file, state: 'good' },
    ]);
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
