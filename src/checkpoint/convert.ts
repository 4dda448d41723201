import { type FileHandle, open } from 'node:fs/promises';
import { ModelError } from '../errors.ts';
import { LARGEST_HALF, toHalves, widen } from './floats.ts';
import { quantizeMatrix } from './quantize.ts';
import { type Checkpoint, readExactly, type TensorEntry } from './safetensors.ts';

/** The precisions to which weights can be converted. */
export type Storage = 'fp16' | 'int8';

/** The conversion of an encoder to another precision: a safetensors file, planned before any tensor is read. */
export interface Conversion {
  /** The length of the header and the header: the first bytes of the file. */
  readonly head: Uint8Array;
  /** Size of the whole file. */
  readonly bytes: number;
  /** The entries with their offsets in the new file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /**
   * Converts tensor by tensor, so that only the largest matrix has to be in memory.
   *
   * @param write called with all parts of the file, in any order
   * @throws ModelError if a weight is not finite or, for fp16, too large
   */
  convert(write: (bytes: Uint8Array, offset: number) => Promise<void>): Promise<void>;
}

const ENCODERS = {
  image: /^(vision_model|visual|visual_projection)\./u,
  text: /^(text_model|text_projection)\./u,
} as const;

/**
 * The matrices of attention and MLPs, which need nine tenths of the time. The first block is not quantised, because its errors pass
 * through all other blocks: with six blocks, it would cause two fifths of the error (docs/performance.md). The patch embedding and the
 * projection would add another third of the error and save little time.
 */
const PRODUCTS = /\.encoder\.layers\.[1-9]\d*\..*(q_proj|k_proj|v_proj|out_proj|fc1|fc2)\.weight$/u;

/**
 * The conversion of an encoder for a dtype; undefined if its weights stay unchanged, for example fp16 weights with fp16. Text encoders
 * are not converted to int8, because texts are encoded only once and cached.
 */
export function storageOf(
  checkpoint: Checkpoint,
  encoder: keyof typeof ENCODERS,
  dtype: Storage | 'fp32',
): Storage | undefined {
  if (dtype === 'fp32' || (dtype === 'int8' && encoder === 'text')) return undefined;
  const isNew = (entry: TensorEntry) => partsOf(entry, dtype).some(({ kind }) => kind === 'half' || kind === 'steps');
  return encoderTensors(checkpoint, encoder).some(isNew) ? dtype : undefined;
}

/** Bytes that are copied or converted at once. */
const PIECE = 1 << 22;

type Kind = 'copy' | 'half' | 'turn' | 'steps' | 'scales';
interface Part extends Omit<TensorEntry, 'offset'> {
  readonly kind: Kind;
  readonly source: TensorEntry;
}

/** Plans the conversion of an encoder: `int8` with {@link quantizeMatrix}, `fp16` for tensors with two dimensions. */
export function planConversion(checkpoint: Checkpoint, encoder: keyof typeof ENCODERS, storage: Storage): Conversion {
  const sources = encoderTensors(checkpoint, encoder);
  // The widest elements come first, so that each is aligned to its size.
  const parts = sources.flatMap((entry) => partsOf(entry, storage)).sort((a, b) => width(b) - width(a));
  let end = 0;
  const list = parts.map((part) => {
    const begin = end;
    end += part.bytes;
    return [part.name, { dtype: part.dtype, shape: part.shape, data_offsets: [begin, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(list)));
  const head = Buffer.alloc(Math.ceil((8 + json.length) / 64) * 64, ' ');
  head.writeBigUInt64LE(BigInt(head.length - 8));
  head.set(json, 8);
  let offset = head.length;
  const tensors = new Map<string, TensorEntry>();
  for (const { name, dtype, shape, bytes } of parts) {
    tensors.set(name, { name, dtype, shape, bytes, offset });
    offset += bytes;
  }
  return {
    head,
    bytes: offset,
    tensors,
    async convert(write) {
      await write(head, 0);
      for (const path of checkpoint.files) {
        const handle = await open(path);
        const own = parts.filter(({ source }) => checkpoint.fileOf(source) === path);
        try {
          for (const { kind, name, source } of own) {
            const at = (part: string) => (tensors.get(part) as TensorEntry).offset;
            if (kind === 'steps') {
              const { steps, scales } = await quantize(handle, path, source);
              await write(bytesOf(steps), at(name));
              await write(bytesOf(scales), at(`${name}_step`));
            } else if (kind !== 'scales') {
              await copy(handle, path, source, kind, (bytes, from) => write(bytes, at(name) + from));
            }
          }
        } finally {
          await handle.close();
        }
      }
    },
  };
}

function encoderTensors(checkpoint: Checkpoint, encoder: keyof typeof ENCODERS): TensorEntry[] {
  return [...checkpoint.tensors.values()].filter(({ name }) => ENCODERS[encoder].test(name));
}

function partsOf(source: TensorEntry, storage: Storage): Part[] {
  const { name, dtype, shape, bytes, transposed } = source;
  const [outputs = 1] = shape;
  const elements = shape.reduce((product, size) => product * size, 1);
  if (storage === 'int8' && PRODUCTS.test(name) && shape.length === 2) {
    return [
      { kind: 'steps', name, dtype: 'I8', shape: [elements / outputs, outputs], bytes: elements, source },
      { kind: 'scales', name: `${name}_step`, dtype: 'F32', shape: [outputs], bytes: 4 * outputs, source },
    ];
  }
  if (transposed) return [{ kind: 'turn', name, dtype: 'F32', shape, bytes: 4 * elements, source }];
  if (storage === 'fp16' && dtype === 'F32' && shape.length >= 2) {
    return [{ kind: 'half', name, dtype: 'F16', shape, bytes: 2 * elements, source }];
  }
  return [{ kind: 'copy', name, dtype, shape, bytes, source }];
}

async function quantize(handle: FileHandle, file: string, source: TensorEntry) {
  const bytes = await readExactly(handle, file, source.offset, source.bytes);
  const weight = widen(bytes, source.dtype);
  const [outputs = 1] = source.shape;
  const quantized = quantizeMatrix(weight, [outputs, weight.length / outputs], source.transposed);
  if (quantized !== undefined) return quantized;
  throw new ModelError(
    `${source.name} in ${file} contains a value that is not finite`,
    'download or export the model again',
  );
}

async function copy(
  handle: FileHandle,
  file: string,
  { name, dtype, shape, offset, bytes }: TensorEntry,
  kind: Exclude<Kind, 'steps' | 'scales'>,
  write: (bytes: Uint8Array, from: number) => Promise<void>,
): Promise<void> {
  if (kind === 'turn') {
    const [outputs = 0, inputs = 0] = shape;
    const stored = widen(await readExactly(handle, file, offset, bytes), dtype);
    const turned = Float32Array.from(
      stored,
      (_, n) => stored[(n % inputs) * outputs + Math.floor(n / inputs)] as number,
    );
    return write(bytesOf(turned), 0);
  }
  for (let from = 0; from < bytes; from += PIECE) {
    const piece = await readExactly(handle, file, offset + from, Math.min(PIECE, bytes - from));
    if (kind === 'copy') {
      await write(piece, from);
      continue;
    }
    const values = widen(piece, dtype);
    if (!values.every((value) => Math.abs(value) <= LARGEST_HALF)) {
      throw new ModelError(`${name} in ${file} has values outside the range of fp16`, 'use dtype fp32');
    }
    await write(bytesOf(toHalves(values)), from / 2);
  }
}

function width({ dtype }: Part): number {
  return dtype === 'F32' ? 4 : dtype === 'I8' ? 1 : 2;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
