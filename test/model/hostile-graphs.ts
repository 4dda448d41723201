import { execFileSync } from 'node:child_process';
import { cp, link, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fixture } from '../paths.ts';
import { attribute, graphBytes, IMAGE, int64s, node, type Parts, TEXT } from './graph-bytes.ts';

/** A model that someone hostile, or a bad disk, could have made. */
export interface HostileModel {
  readonly name: string;
  /** `any`: it may also load and run, because it does nothing wrong. */
  readonly outcome: 'E_MODEL' | 'any';
  /** Writes it into a folder that exists; `outside` is a file out of it that must not be opened. */
  readonly write: (folder: string, outside: string) => Promise<void>;
}

export const CONFIGS = ['config.json', 'preprocessor_config.json', 'tokenizer.json'];

/** An ONNX model with both encoders, one of them changed. */
export async function readyMade(folder: string, image: Partial<Parts> | Uint8Array = {}): Promise<void> {
  for (const name of CONFIGS) await cp(join(fixture('tiny-class'), name), join(folder, name));
  await writeFile(join(folder, 'text_model.onnx'), graphBytes(TEXT));
  const bytes = image instanceof Uint8Array ? image : graphBytes({ ...IMAGE, ...image });
  await writeFile(join(folder, 'vision_model.onnx'), bytes);
  await writeFile(join(folder, 'weights.bin'), Buffer.from(Float32Array.from({ length: 20 }, (_, n) => n + 1).buffer));
}

const graph = (name: string, image: Partial<Parts> | Uint8Array, outcome: HostileModel['outcome'] = 'E_MODEL') => ({
  name: `graph: ${name}`,
  outcome,
  write: (folder: string) => readyMade(folder, image),
});
const external = (name: string, location: string, more: Record<string, string> = {}) =>
  graph(`weights ${name}`, { external: { location, offset: '0', length: '80', ...more } });
const [flatten, slice] = IMAGE.nodes;
const last = (operator: string, more?: Parameters<typeof node>[3]) => ({
  nodes: [
    ...IMAGE.nodes.slice(0, 2),
    node(operator, operator === 'Mul' ? ['begin', 'w'] : ['begin'], 'image_embeds', more),
  ],
});
const evil = (domain: string) => last('Mul', (message) => message.string(7, domain));
const input = (...[name, type, shape]: Parts['input']): Partial<Parts> => ({
  input: [name, type, shape],
  nodes: [node('Flatten', [name], 'flat'), ...IMAGE.nodes.slice(1)],
});
/** Nested `If` operators. */
const nested = (depth: number): Parts['nodes'][number] =>
  depth === 0
    ? node('Identity', ['begin'], 'image_embeds')
    : node('If', ['yes'], 'image_embeds', (message) => {
        for (const branch of ['then_branch', 'else_branch'].slice(0, depth % 2 === 0 ? 1 : 2))
          attribute(branch, 5, (a) =>
            a.message(6, (body) =>
              body
                .message(1, branch === 'then_branch' ? nested(depth - 1) : nested(0))
                .string(2, branch)
                .message(12, (value) => value.string(1, 'image_embeds')),
            ),
          )(message);
      });
const recursion: Parts['nodes'][number] = (f) =>
  f
    .string(1, 'Self')
    .string(4, 'x')
    .string(5, 'y')
    .message(
      7,
      node('Self', ['x'], 'y', (message) => message.string(7, 'ai.onnx.ml')),
    )
    .message(9, (opset) => opset.string(1, '').int(2, 20))
    .message(9, (opset) => opset.string(1, 'ai.onnx.ml').int(2, 1))
    .string(10, 'ai.onnx.ml');

/** Weights that are a link: made after the graph that names them. */
const linked = (
  name: string,
  make: (path: string, outside: string) => Promise<void>,
  outcome = 'E_MODEL' as const,
) => ({
  name: `graph: weights ${name}`,
  outcome,
  write: async (folder: string, outside: string) => {
    await readyMade(folder, { external: { location: 'weights.bin', offset: '0', length: '80' } });
    await rm(join(folder, 'weights.bin'));
    await make(join(folder, 'weights.bin'), outside);
  },
});

export const GRAPHS: readonly HostileModel[] = [
  external('up and out', '../outside.bin'),
  external('down, up and out', 'x/../../outside.bin'),
  {
    name: 'graph: weights at an absolute path',
    outcome: 'E_MODEL',
    write: (folder, outside) => readyMade(folder, { external: { location: outside, offset: '0', length: '80' } }),
  },
  linked('that are a link out', (path, outside) => symlink(outside, path)),
  linked('that are a link to a link out', async (path, outside) => {
    await symlink(outside, `${path}.2`);
    await symlink(`${path}.2`, path);
  }),
  linked('that are a link to a device', (path) => symlink('/dev/zero', path)),
  linked('that are a folder', async (path) => void (await mkdir(path))),
  {
    name: 'graph: weights that are a hard link (a file of the folder like any other)',
    outcome: 'any',
    write: async (folder, outside) => {
      await readyMade(folder, { external: { location: 'weights.bin', offset: '0', length: '80' } });
      await rm(join(folder, 'weights.bin'));
      await link(outside, join(folder, 'weights.bin'));
    },
  },
  linked('that are a FIFO', async (path) => void execFileSync('mkfifo', [path])),
  external('in a file that is missing', 'nothing.bin'),
  external('of an empty name', ''),
  external('in /proc/self/mem', '/proc/self/mem'),
  external('behind the end of the file', 'weights.bin', { offset: '4096' }),
  external('longer than the file', 'weights.bin', { length: '8000000' }),
  external('at a negative offset', 'weights.bin', { offset: '-80' }),
  external('at a huge offset', 'weights.bin', { offset: '9223372036854775807' }),
  external('of no offset that is a number', 'weights.bin', { offset: 'zero' }),
  graph('an operator of another domain', { ...evil('org.evil.corp'), domains: ['org.evil.corp'] }),
  graph('an operator of a domain that is not imported', evil('org.evil.corp')),
  graph('an unknown operator', last('Fetch')),
  graph('a function that calls itself', {
    ...last('Self', (message) => message.string(7, 'ai.onnx.ml')),
    domains: ['ai.onnx.ml'],
    functions: [recursion],
  }),
  graph('a value that comes of itself', { nodes: [node('Add', ['image_embeds', 'w'], 'image_embeds')] }),
  graph('a value that nothing makes', { nodes: [node('Identity', ['nothing'], 'image_embeds')] }),
  graph('an input of doubles', input('pixel_values', 11, ['batch', 3, 32, 32])),
  graph('an input of texts', input('pixel_values', 8, ['batch', 3, 32, 32])),
  graph('an input of rank 3', input('pixel_values', 1, [3, 32, 32])),
  graph('an input of four channels', input('pixel_values', 1, ['batch', 4, 32, 32])),
  graph('an input that is not square', input('pixel_values', 1, ['batch', 3, 16, 32])),
  graph('images of a million pixels a side', input('pixel_values', 1, ['batch', 3, 1_000_000, 1_000_000])),
  graph('batches of a billion', input('pixel_values', 1, [1_000_000_000, 3, 32, 32])),
  graph('an output of rank 3', { output: ['image_embeds', 1, ['batch', 20, 1]] }),
  graph('an output of another width than it says', { output: ['image_embeds', 1, ['batch', 24]] }),
  graph('an output of whole numbers', {
    output: ['image_embeds', 7, ['batch', 20]],
    ...last(
      'Cast',
      attribute('to', 2, (a) => a.int(3, 7)),
    ),
  }),
  graph('an output of another type than it says', { output: ['image_embeds', 10, ['batch', 20]] }),
  graph('an output of another rank than it says', {
    nodes: [flatten, node('Slice', ['flat', 'zero', 'width', 'one'], 'image_embeds'), slice].slice(
      0,
      1,
    ) as Parts['nodes'],
  }),
  graph('an output of NaN', { weight: Array(20).fill(Number.NaN) }),
  graph('an output of infinity', { weight: Array(20).fill(Number.POSITIVE_INFINITY) }),
  graph('an output of zeros', { weight: Array(20).fill(0) }),
  graph('a weight of four terabytes', { dims: [1 << 20, 1 << 20] }),
  graph('a weight whose size overflows', { dims: [2 ** 32, 2 ** 32] }),
  graph('a constant of four terabytes', {
    nodes: [
      node('ConstantOfShape', ['huge'], 'zeros'),
      node('ReduceSum', ['zeros'], 'sum'),
      ...IMAGE.nodes.slice(0, 2),
      node('Add', ['begin', 'sum'], 'image_embeds'),
    ],
    initializers: [int64s('huge', 1 << 20, 1 << 20)],
  }),
  graph('branches 200 deep', { nodes: [...IMAGE.nodes.slice(0, 2), nested(200)] }),
  graph('half of a graph', graphBytes(IMAGE).slice(0, 150)),
  graph('an empty file', new Uint8Array(0)),
  graph('a web page', Buffer.from('<!doctype html><title>Log in</title>')),
  graph('an LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n')),
  graph('a length without an end', Buffer.alloc(64, 0xff)),
];
