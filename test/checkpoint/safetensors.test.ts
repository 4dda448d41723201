import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/safetensors.ts';
import { ModelError } from '../../src/errors.ts';
import { fixture } from '../paths.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function write(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'model.safetensors');
  await writeFile(path, bytes);
  return path;
}

/** A file as the format describes it: header length, header, data. */
function file(header: unknown, data = 8, length?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([size, json, Buffer.alloc(data)]);
}
const tensor = (changes: object = {}) => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...changes });

describe('readCheckpoint', () => {
  it('finds the tensors of a file that the reference library wrote', async () => {
    const checkpoint = await readCheckpoint(fixture('tiny-class/model.safetensors'));
    const bytes = await readFile(checkpoint.file);
    const entry = checkpoint.tensor('visual_projection.weight');
    expect(entry).toMatchObject({ dtype: 'F32', shape: [20, 32], bytes: 20 * 32 * 4 });
    expect([...checkpoint.tensors.values()].reduce((sum, one) => sum + one.bytes, 8 + checkpoint.header.length)).toBe(
      bytes.length,
    );
  });

  it.each([
    ['F32', [0x00, 0x00, 0x48, 0x42], 50],
    ['BF16', [0x48, 0x42], 50],
    ['F16', [0x40, 0x52], 50],
    ['F16', [0x01, 0x80], -(2 ** -24)],
    ['F16', [0x00, 0x7c], Number.POSITIVE_INFINITY],
    ['F64', [0, 0, 0, 0, 0, 0, 0x49, 0x40], 50],
  ])('reads a scalar of type %s', async (dtype, bytes, value) => {
    const header = file({ scale: { dtype, shape: [], data_offsets: [0, bytes.length] } }, 0);
    const path = await write(Buffer.concat([header, Buffer.from(bytes)]));
    expect(await (await readCheckpoint(path)).scalar('scale')).toBe(value);
  });

  it('names the real file behind a link', async () => {
    const path = await write(file({ a: tensor() }));
    await symlink(path, join(folder, 'link'));
    expect(await readCheckpoint(join(folder, 'link'))).toMatchObject({ folder, location: 'model.safetensors' });
  });

  it.each([
    ['an empty file', new Uint8Array(0), /0 bytes/],
    ['a header longer than the file', file({}, 8, 1n << 60n), /declares a header of/],
    ['a header over the limit', file({}, 8, 200_000_000n), /declares a header of/],
    ['a header that is no JSON', file('{"a":'), /not JSON/],
    ['a header that is a list', file([]), /not a JSON object/],
    ['a tensor without a description', file({ a: 1 }), /a in .* has no description/],
    ['an unknown type', file({ a: tensor({ dtype: 'Q4' }) }), /unknown type "Q4"/],
    ['a type from the prototype', file({ a: tensor({ dtype: 'toString' }) }), /unknown type/],
    ['a negative shape', file({ a: tensor({ shape: [-2] }) }), /impossible shape/],
    ['a shape that overflows', file({ a: tensor({ shape: [2 ** 31, 2 ** 31] }) }), /has 8 bytes/],
    [
      'a shape that lies',
      file({ a: tensor({ shape: [3] }) }),
      /has 8 bytes, but its shape \[3\] and type F32 require 12/,
    ],
    ['offsets the wrong way round', file({ a: tensor({ data_offsets: [8, 0] }) }), /has -8 bytes/],
    ['offsets of text', file({ a: tensor({ data_offsets: ['0', '8'] }) }), /impossible offsets/],
    ['tensors that overlap', file({ a: tensor(), b: tensor() }), /but the previous tensor ends at/],
    ['a hole', file({ a: tensor({ data_offsets: [8, 16] }) }, 16), /but the previous tensor ends at/],
    ['a file that is cut short', file({ a: tensor() }, 7), /describes .* bytes, but the file has/],
    ['a file with more behind it', file({ a: tensor() }, 9), /describes .* bytes, but the file has/],
  ])('refuses %s', async (_, bytes, message) => {
    const error: unknown = await readCheckpoint(await write(bytes)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ModelError);
    expect((error as ModelError).message).toMatch(message);
  });

  it('refuses a missing file', async () => {
    await expect(readCheckpoint(join(folder, 'nothing'))).rejects.toThrow(/cannot read/);
  });
});
