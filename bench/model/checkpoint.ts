import { open } from 'node:fs/promises';
import { clipTensors, elements, type RandomTensor } from './tensors.ts';

const SEED = 20_260_101;

/** The values of every tensor, always the same ones. */
export function* randomTensors(): Generator<RandomTensor & { readonly values: Float32Array }> {
  let state = SEED;
  for (const tensor of clipTensors()) {
    const values = new Float32Array(elements(tensor.shape));
    const scale = (2 * tensor.reach) / 2 ** 32;
    const lowest = tensor.centre - tensor.reach;
    for (let i = 0; i < values.length; i++) {
      // Mulberry32 (Tommy Ettinger, public domain)
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      values[i] = lowest + ((t ^ (t >>> 14)) >>> 0) * scale;
    }
    yield { ...tensor, values };
  }
}

/** Writes model.safetensors: 605 MB. */
export async function writeCheckpoint(path: string): Promise<void> {
  let offset = 0;
  const index = clipTensors().map(({ name, shape }) => {
    const begin = offset;
    offset += 4 * elements(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }] as const;
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(index)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  const file = await open(path, 'w');
  try {
    await file.writeFile(header);
    for (const { values } of randomTensors()) await file.writeFile(new Uint8Array(values.buffer));
  } finally {
    await file.close();
  }
}
