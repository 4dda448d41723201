import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ModelError, messageOf } from '../errors.ts';
import { halfToNumber } from './floats.ts';
import { openModelFile } from './model-file.ts';

/** Bytes per element of the types in the format. Graphs use F32, F16 and BF16. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

/** The limit of the reference reader, which limits the first allocation (CWE-770). The header of a CLIP has about 50 KB. */
const MAX_HEADER_BYTES = 100_000_000;
/** The most dimensions of a tensor. CLIP needs four (the patch embedding). */
const MAX_DIMENSIONS = 8;

/** A tensor and the place of its bytes. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the beginning of the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Stored as `[in, out]`, although `shape` is `[out, in]`. */
  readonly transposed?: true;
  /** The name of its file, if it is not the first file of the checkpoint. */
  readonly shard?: string;
}

/**
 * The index of a safetensors file: 8 bytes of header length, a JSON header, then the tensors end to end
 * (github.com/huggingface/safetensors, "Format"). Tensors are not read, except for {@link scalar}.
 */
export class Checkpoint {
  constructor(
    /** The real path with links resolved. Graphs refer to the file by its real name in its real folder. */
    readonly file: string,
    readonly tensors: ReadonlyMap<string, TensorEntry>,
    /** The header of the file; with several files, all headers one after the other. */
    readonly header: Uint8Array,
    /** All files with tensors, in one folder. There are several if the checkpoint is sharded. */
    readonly files: readonly string[] = [file],
  ) {}

  /** The folder in which graphs look for {@link location}. */
  get folder(): string {
    return dirname(this.file);
  }

  get location(): string {
    return basename(this.file);
  }

  /** The same files with other entries: under other names, or views into the bytes. */
  withTensors(entries: readonly TensorEntry[]): Checkpoint {
    return new Checkpoint(this.file, new Map(entries.map((entry) => [entry.name, entry])), this.header, this.files);
  }

  /** The path of the file of a tensor. */
  fileOf({ shard }: TensorEntry): string {
    return shard === undefined ? this.file : join(this.folder, shard);
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** @throws ModelError if the checkpoint has no such tensor */
  tensor(name: string): TensorEntry {
    const entry = this.tensors.get(name);
    if (entry === undefined) {
      throw new ModelError(`${this.file} has no tensor ${name}`, 'use a CLIP or SigLIP checkpoint with both encoders');
    }
    return entry;
  }

  /** The value of a tensor with one element, such as `logit_scale`. */
  async scalar(name: string): Promise<number> {
    const entry = this.tensor(name);
    const size = ELEMENT_BYTES[entry.dtype] as number;
    if (entry.bytes !== size) {
      throw new ModelError(
        `${name} in ${this.file} has shape [${entry.shape.join(', ')}], but one element is expected`,
        damaged,
      );
    }
    const handle = await open(this.fileOf(entry));
    try {
      return decodeFloat(await readExactly(handle, this.fileOf(entry), entry.offset, size), entry);
    } finally {
      await handle.close();
    }
  }
}

const damaged = 'the file is damaged: fetch or export it again';

/**
 * Reads the index of a safetensors file. Every length is checked before anything of that size is allocated;
 * the tensors must cover the rest of the file exactly, as the reference reader demands.
 *
 * @throws ModelError if the file is missing or truncated, or its header is wrong
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const file = await realpath(path).catch((error: unknown) => {
    throw new ModelError(`cannot read ${path}: ${messageOf(error)}`, 'check the path and its permissions', error);
  });
  const { handle, size } = await openModelFile(file, 'check the path and its permissions');
  try {
    if (size < 8) throw new ModelError(`${path} has only ${size} bytes and is not a safetensors file`, damaged);
    const start = await readExactly(handle, path, 0, 8);
    if (start.toString('latin1') === 'version ') throw lfsPointer(path);
    const length = Number(start.readBigUInt64LE());
    if (length > MAX_HEADER_BYTES || 8 + length > size) {
      throw new ModelError(`${path} declares a header of ${length} bytes, but the file has ${size} bytes`, damaged);
    }
    const header = await readExactly(handle, path, 8, length);
    return new Checkpoint(file, parseHeader(header, path, size), header);
  } finally {
    await handle.close();
  }
}

/** The first bytes of a Git LFS pointer, `version https://git-lfs…`, which stands for a file that was not downloaded. */
export function lfsPointer(path: string): ModelError {
  return new ModelError(
    `${path} is a Git LFS pointer: the file itself has not been fetched`,
    `run "git lfs pull" in ${dirname(path)}`,
  );
}

function parseHeader(header: Buffer, path: string, fileSize: number): Map<string, TensorEntry> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(header.toString('utf8'));
  } catch (error) {
    throw new ModelError(`the header of ${path} is not JSON: ${messageOf(error)}`, damaged, error);
  }
  if (!isRecord(parsed)) throw new ModelError(`the header of ${path} is not a JSON object`, damaged);
  const start = 8 + header.length;
  const entries = Object.entries(parsed)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value, start, path))
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = start;
  for (const entry of entries) {
    if (entry.offset !== end) {
      throw new ModelError(
        `${entry.name} in ${path} starts at byte ${entry.offset}, but the previous tensor ends at ${end}`,
        damaged,
      );
    }
    end += entry.bytes;
  }
  if (end !== fileSize)
    throw new ModelError(`the header of ${path} describes ${end} bytes, but the file has ${fileSize}`, damaged);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

function parseEntry(name: string, value: unknown, start: number, path: string): TensorEntry {
  const lie = (what: string) => new ModelError(`${name} in ${path} ${what}`, damaged);
  if (!isRecord(value)) throw lie('has no description');
  const { dtype, shape, data_offsets: offsets } = value;
  const elementBytes =
    typeof dtype === 'string' && Object.hasOwn(ELEMENT_BYTES, dtype) ? ELEMENT_BYTES[dtype] : undefined;
  if (typeof dtype !== 'string' || elementBytes === undefined)
    throw lie(`has the unknown type ${JSON.stringify(dtype)}`);
  if (!isSizes(shape) || shape.length > MAX_DIMENSIONS) throw lie(`has the impossible shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) throw lie(`has the impossible offsets ${JSON.stringify(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, elementBytes);
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    throw lie(`has ${end - begin} bytes, but its shape [${shape.join(', ')}] and type ${dtype} require ${bytes}`);
  }
  return { name, dtype, shape, offset: start + begin, bytes };
}

export async function readExactly(handle: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new ModelError(`${path} ends at byte ${position + bytesRead}`, damaged);
  return buffer;
}

function decodeFloat(bytes: Buffer, entry: TensorEntry): number {
  switch (entry.dtype) {
    case 'F32':
      return bytes.readFloatLE();
    case 'F64':
      return bytes.readDoubleLE();
    case 'BF16': // the upper half of a float32
      return Buffer.from([0, 0, bytes[0] as number, bytes[1] as number]).readFloatLE();
    case 'F16':
      return halfToNumber(bytes.readUInt16LE());
    default:
      throw new ModelError(`${entry.name} is of type ${entry.dtype}, not a float`, damaged);
  }
}

/** Whether a value is a JSON object: not null and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
