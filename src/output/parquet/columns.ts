import {
  type Data,
  type DataType,
  Field,
  Float16,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  Struct,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { toHalves } from '../../embed/half.ts';
import type { NumberType } from '../embeddings.ts';
import type { Column } from './writer.ts';

export function texts(name: string, values: readonly (string | null)[], nullable = true): Column {
  return { name, data: dataOf(values, new Utf8()), nullable };
}

export function numbers(name: string, values: readonly (number | null)[]): Column {
  return { name, data: dataOf(values, new Float64()), nullable: true };
}

export function wholeNumbers(name: string, values: readonly (number | null)[]): Column {
  return { name, data: dataOf(values, new Int32()), nullable: true };
}

const TEXT = (name: string) => new Field(name, new Utf8(), true);
const NUMBER = (name: string) => new Field(name, new Float64(), true);

/** A code and a message, or null. */
export function errors(values: readonly ({ readonly code: string; readonly message: string } | null)[]): Column {
  const type = new Struct([TEXT('code'), TEXT('message')]);
  return { name: 'error', data: dataOf(values, type), nullable: true };
}

/** A ranked label. */
export interface LabelCell {
  readonly label: string;
  readonly score: number;
  readonly logit: number;
  readonly cosine: number;
  readonly reason: string | null;
}

/** The ranked labels of each image, or null. */
export function labelLists(values: readonly (readonly LabelCell[] | null)[]): Column {
  const element = new Struct([TEXT('label'), NUMBER('score'), NUMBER('logit'), NUMBER('cosine'), TEXT('reason')]);
  return { name: 'labels', data: dataOf(values, new List(new Field('element', element, true))), nullable: true };
}

/** Lists of numbers, or null. @param values all have the same length */
export function embeddings(values: readonly (Float32Array | null)[], type: NumberType): Column {
  const size = values.find((value) => value !== null)?.length ?? 0;
  const all = type === 'float32' ? new Float32Array(values.length * size) : new Uint16Array(values.length * size);
  const offsets = new Int32Array(values.length + 1);
  const present = new Uint8Array(Math.ceil(values.length / 64) * 8);
  let at = 0;
  for (const [n, value] of values.entries()) {
    if (value !== null) {
      all.set(type === 'float32' ? value : toHalves(value), at);
      present[n >> 3] = (present[n >> 3] ?? 0) | (1 << (n & 7));
      at += value.length;
    }
    offsets[n + 1] = at;
  }
  const child = makeNumbers(all.subarray(0, at));
  const list = new List(new Field('element', child.type, false));
  const nullCount = values.filter((value) => value === null).length;
  const data = makeData({
    type: list,
    length: values.length,
    nullCount,
    nullBitmap: present,
    valueOffsets: offsets,
    child,
  });
  return { name: 'embedding', data, nullable: true };
}

function makeNumbers(values: Float32Array | Uint16Array): Data<Float32 | Float16> {
  return values instanceof Float32Array
    ? makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values })
    : makeData({ type: new Float16(), length: values.length, nullCount: 0, data: values });
}

function dataOf<T extends DataType>(values: readonly unknown[], type: T): Data {
  return vectorFromArray([...values] as never[], type).data[0] ?? makeData({ type, length: 0 } as never);
}
