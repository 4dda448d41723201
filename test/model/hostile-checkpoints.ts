import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { random } from '../image/random.ts';
import { fixture } from '../paths.ts';
import { CONFIGS, type HostileModel, readyMade } from './hostile-graphs.ts';

/** A checkpoint, its header or a config changed. */
const changed = (
  name: string,
  change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => unknown,
  length?: bigint,
): HostileModel => ({
  name: `checkpoint: ${name}`,
  outcome: 'E_MODEL',
  write: async (folder) => {
    await cp(fixture('tiny-class'), folder, { recursive: true });
    const file = await readFile(join(folder, 'model.safetensors'));
    const end = 8 + Number(file.readBigUInt64LE());
    const header = JSON.parse(file.toString('utf8', 8, end));
    const written = change(header) ?? header;
    const text = Buffer.from(typeof written === 'string' ? written : JSON.stringify(written));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(length ?? BigInt(text.length));
    await writeFile(join(folder, 'model.safetensors'), Buffer.concat([size, text, file.subarray(end)]));
  },
});
const config = (
  file: string,
  name: string,
  change: (json: Record<string, Record<string, unknown>>) => unknown,
  outcome: HostileModel['outcome'] = 'E_MODEL',
): HostileModel => ({
  name: `${file}: ${name}`,
  outcome,
  write: async (folder) => {
    await cp(fixture('tiny-class'), folder, { recursive: true });
    const json = JSON.parse(await readFile(join(folder, file), 'utf8'));
    const written = change(json) ?? json;
    await writeFile(join(folder, file), typeof written === 'string' ? written : JSON.stringify(written));
  },
});
const weights = (name: string, write: (path: string, outside: string) => Promise<void>): HostileModel => ({
  name: `checkpoint: ${name}`,
  outcome: 'E_MODEL',
  write: async (folder, outside) => {
    await cp(fixture('tiny-class'), folder, { recursive: true });
    await write(join(folder, 'model.safetensors'), outside);
  },
});
const replaced = (file: string, name: string, make: (path: string) => Promise<void> | void): HostileModel => ({
  name: `${file}: ${name}`,
  outcome: 'E_MODEL',
  write: async (folder) => {
    await cp(fixture('tiny-class'), folder, { recursive: true });
    await rm(join(folder, file));
    await make(join(folder, file));
  },
});
const PROJECTION = 'visual_projection.weight';
type Header = Parameters<Parameters<typeof changed>[1]>[0];
const tensor = (header: Header, name = PROJECTION) => header[name] as Header[string];

export const CHECKPOINTS: readonly HostileModel[] = [
  changed('a header of 2^60 bytes', () => {}, 1n << 60n),
  changed('a header of no bytes', () => {}, 0n),
  changed('a header that is no JSON', () => '{"a":'),
  changed('a header 100,000 deep', () => '['.repeat(100_000)),
  changed('tensors that overlap', (header) => {
    tensor(header).data_offsets = [0, 2560];
  }),
  changed('a tensor behind the end', (header) => {
    tensor(header).data_offsets = [1e9, 1e9 + 2560];
  }),
  changed('a tensor before the beginning', (header) => {
    tensor(header).data_offsets = [-2560, 0];
  }),
  changed('a shape that lies', (header) => {
    tensor(header).shape = [20, 33];
  }),
  changed('a shape of the same size that is wrong', (header) => {
    tensor(header).shape = [32, 20];
  }),
  changed('a shape that overflows', (header) => {
    tensor(header).shape = [2 ** 31, 2 ** 31];
  }),
  changed('an unknown type', (header) => {
    tensor(header).dtype = 'Q4';
  }),
  changed('whole numbers for weights', (header) => {
    tensor(header).dtype = 'I32';
  }),
  changed('one name twice', (header) => JSON.stringify(header).replace('"text_projection.weight"', `"${PROJECTION}"`)),
  changed('a name missing', (header) => {
    header['x'] = tensor(header);
    delete header[PROJECTION];
  }),
  weights('weights of NaN', async (path) => {
    const file = await readFile(path);
    file.fill(0xff, 8 + Number(file.readBigUInt64LE()));
    await writeFile(path, file);
  }),
  weights('a pickle', (path) =>
    writeFile(path, Buffer.from('\x80\x02}q\x00cposix\nsystem\nq\x01X\x02\x00\x00\x00id\x85R.')),
  ),
  weights('an empty file', (path) => truncate(path, 0)),
  weights('cut in half', (path) => truncate(path, 130_000)),
  weights('a folder', async (path) => {
    await rm(path);
    await mkdir(path);
  }),
  weights('a FIFO', async (path) => {
    await rm(path);
    execFileSync('mkfifo', [path]);
  }),
  ...CONFIGS.flatMap((name) => [
    replaced(name, 'a FIFO', (path) => void execFileSync('mkfifo', [path])),
    replaced(name, 'a link to a device without an end', (path) => symlink('/dev/zero', path)),
  ]),
  weights('a link to a device', async (path) => {
    await rm(path);
    await symlink('/dev/zero', path);
  }),
  config('config.json', 'a billion layers', (json) => {
    json['vision_config'] = { ...json['vision_config'], num_hidden_layers: 1e9 };
  }),
  config('config.json', 'width 0', (json) => {
    json['vision_config'] = { ...json['vision_config'], hidden_size: 0 };
  }),
  config('config.json', 'no heads', (json) => {
    json['vision_config'] = { ...json['vision_config'], num_attention_heads: 0 };
  }),
  config('config.json', 'images of a million pixels a side', (json) => {
    json['vision_config'] = { ...json['vision_config'], image_size: 1e6 };
  }),
  config('config.json', 'another vocabulary', (json) => {
    json['text_config'] = { ...json['text_config'], vocab_size: 7 };
  }),
  config('config.json', 'a list', () => []),
  config('config.json', 'null', () => 'null'),
  config('preprocessor_config.json', 'images of a million pixels a side', () => ({ size: 1e6, crop_size: 1e6 })),
  config('preprocessor_config.json', 'a deviation of 0', (json) => ({ ...json, image_std: [0, 0, 0] })),
  config('tokenizer.json', 'half of it', (json) => JSON.stringify(json).slice(0, 5000)),
  config('tokenizer.json', 'no vocabulary', (json) => ({ ...json, model: { ...json['model'], vocab: {} } })),
  config('tokenizer.json', 'ids beyond the vocabulary', (json) => ({
    ...json,
    model: {
      ...json['model'],
      vocab: Object.fromEntries(Object.keys(Object(json['model']?.['vocab'])).map((word, n) => [word, 1e9 + n])),
    },
  })),
  config('tokenizer.json', 'merges of numbers', (json) => ({
    ...json,
    model: { ...json['model'], merges: [1, 2, 3] },
  })),
];

/** A model with one bit flipped: of the image graph, or of the header and configs of a checkpoint. */
export function flips(count: number): HostileModel[] {
  const next = random(29);
  const files = ['vision_model.onnx', 'model.safetensors', ...CONFIGS];
  return Array.from({ length: count }, (_, n) => {
    const file = n % 2 === 0 ? 'vision_model.onnx' : (files[1 + ((n >> 1) % 4)] as string);
    const place = next();
    return {
      name: `flip ${n} of ${file}`,
      outcome: 'any',
      write: async (folder) => {
        if (n % 2 === 0) await readyMade(folder);
        else await cp(fixture('tiny-class'), folder, { recursive: true });
        const bytes = await readFile(join(folder, file));
        const length = file === 'model.safetensors' ? 8 + Number(bytes.readBigUInt64LE()) : bytes.length;
        const bit = place % (8 * length);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        await writeFile(join(folder, file), bytes);
      },
    };
  });
}
