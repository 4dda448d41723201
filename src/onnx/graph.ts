import type { Checkpoint, TensorEntry } from '../checkpoint/safetensors.ts';
import { ProtoWriter } from './protobuf.ts';

/** Element types of ONNX's TensorProto.DataType. */
export const DATA_TYPE = { F32: 1, U8: 2, I8: 3, I32: 6, I64: 7, F16: 10, BF16: 16 } as const;

/** An operator's attribute: a float or an integer (ONNX keeps the two apart), a list of integers, or a text. */
export type Attribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

/** A size is a number, or the name of one that may vary. */
export type Shape = readonly (number | string)[];

/** An input or output of the graph. */
export interface GraphPort {
  readonly name: Value;
  readonly type: 'F32' | 'U8' | 'I32' | 'I64';
  readonly shape: Shape;
}

/** The name of a value that flows through the graph. */
export type Value = string;

/** The scales of the rows of a tensor that is stored in 8 bits. */
function scaleOf(name: string): string {
  return `${name}_scale`;
}

const OPSET = 20; // the first with Gelu
const IR_VERSION = 9;

/**
 * Writes an ONNX model whose weights stay where they are: each initializer points by `external_data`
 * (location, offset, length) into the safetensors file, which holds the same little-endian row-major bytes.
 * Fields are numbered as in onnx/onnx.proto.
 */
export class GraphBuilder {
  private readonly nodes: ((message: ProtoWriter) => void)[] = [];
  private readonly initializers = new Map<string, (message: ProtoWriter) => void>();
  private readonly made = new Map<string, Value>();
  private readonly named: GraphPort[] = [];
  private count = 0;

  constructor(
    private readonly name: string,
    readonly checkpoint: Checkpoint,
  ) {}

  /** One operator with one output; a domain prefix ("com.microsoft.QuickGelu") names a contributed operator. */
  node(
    operator: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: Value,
  ): Value {
    const result = output ?? `${operator}_${this.count++}`;
    const dot = operator.lastIndexOf('.');
    this.nodes.push((node) => {
      for (const input of inputs) node.string(1, input);
      node
        .string(2, result)
        .string(3, result)
        .string(4, operator.slice(dot + 1));
      for (const [name, value] of Object.entries(attributes)) node.message(5, (a) => writeAttribute(a, name, value));
      if (dot > 0) node.string(7, operator.slice(0, dot));
    });
    return result;
  }

  /**
   * The same numbers in another shape, in which one size may vary and has a name. onnxruntime cannot infer that size. Its planner then
   * assumes that no two buffers have the same length and searches all free buffers for every node, which takes 50 ms for a quantised
   * ViT-B/32. So the shape is declared, too.
   *
   * @param by the shape as a value of the graph, if a second size varies
   */
  reshape(x: Value, shape: Shape, by?: Value): Value {
    const sizes = shape.map((size) => (typeof size === 'number' ? size : -1));
    const name = this.node('Reshape', [x, by ?? this.int64s(...sizes)]);
    this.named.push({ name, type: 'F32', shape });
    return name;
  }

  /** A checkpoint tensor in fp32: unchanged, or converted when the session is opened. */
  weight(name: string): Value {
    const stored = this.storedWeight(name);
    if (this.storedType(name) === 'F32') return stored;
    return this.once(`${name} in F32`, () => {
      const wide = this.cast(stored, 'F32');
      if (this.storedType(name) !== 'I8') return wide;
      const scales = this.node('Reshape', [this.weight(scaleOf(name)), this.int64s(-1, 1)]); // one for each row
      return this.node('Mul', [wide, scales]);
    });
  }

  /** Some rows of a checkpoint tensor in fp32. Only these rows are cast. `rows [...] → [..., columns]` */
  weightRows(name: string, rows: Value): Value {
    const stored = this.node('Gather', [this.storedWeight(name), rows]);
    if (this.storedType(name) === 'F32') return stored;
    const wide = this.cast(stored, 'F32');
    if (this.storedType(name) !== 'I8') return wide;
    const scales = this.node('Gather', [this.weight(scaleOf(name)), rows]);
    return this.node('Mul', [wide, this.node('Unsqueeze', [scales, this.int64s(-1)])]);
  }

  /** Makes a value once for several nodes. @param key a unique name of the value */
  once(key: string, make: () => Value): Value {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.made.set(key, made);
    return made;
  }

  /** A checkpoint tensor in the type that it is stored in. */
  storedWeight(name: string): Value {
    const entry = this.checkpoint.tensor(name);
    this.initializers.set(name, (tensor) =>
      writeExternalTensor(tensor, entry, entry.shard ?? this.checkpoint.location),
    );
    return name;
  }

  storedType(name: string): string {
    return this.checkpoint.tensor(name).dtype;
  }

  cast(value: Value, type: keyof typeof DATA_TYPE): Value {
    return this.node('Cast', [value], { to: { int: DATA_TYPE[type] } });
  }

  /** A small constant list of 64-bit integers, such as a shape. */
  int64s(...values: number[]): Value {
    return this.constant('I64', [values.length], new BigInt64Array(values.map(BigInt)), `int64_${values.join('_')}`);
  }

  /** A constant number. */
  scalar(type: 'F32' | 'U8', value: number): Value {
    const data = type === 'F32' ? Float32Array.of(value) : Uint8Array.of(value);
    return this.constant(type, [], data, `${type}_${value}`);
  }

  private constant(
    type: keyof typeof DATA_TYPE,
    shape: readonly number[],
    { buffer }: ArrayBufferView,
    name: string,
  ): Value {
    this.initializers.set(name, (tensor) => {
      for (const size of shape) tensor.int(1, size);
      tensor.int(2, DATA_TYPE[type]).string(8, name).bytes(9, new Uint8Array(buffer));
    });
    return name;
  }

  /** The whole file. */
  finish(inputs: readonly GraphPort[], outputs: readonly GraphPort[]): Uint8Array {
    return new ProtoWriter()
      .int(1, IR_VERSION)
      .string(2, 'clip-classify')
      .message(7, (graph) => {
        for (const node of this.nodes) graph.message(1, node);
        graph.string(2, this.name);
        for (const initializer of this.initializers.values()) graph.message(5, initializer);
        for (const input of inputs) graph.message(11, (value) => writeValueInfo(value, input));
        for (const output of outputs) graph.message(12, (value) => writeValueInfo(value, output));
        for (const value of this.named) graph.message(13, (info) => writeValueInfo(info, value));
      })
      .message(8, (opset) => opset.string(1, '').int(2, OPSET))
      .message(8, (opset) => opset.string(1, 'com.microsoft').int(2, 1))
      .finish();
  }
}

function writeAttribute(attribute: ProtoWriter, name: string, value: Attribute): void {
  attribute.string(1, name);
  if ('float' in value) attribute.float(2, value.float).int(20, 1);
  else if ('int' in value) attribute.int(3, value.int).int(20, 2);
  else if ('text' in value) attribute.string(4, value.text).int(20, 3);
  else {
    for (const item of value.ints) attribute.int(8, item);
    attribute.int(20, 7);
  }
}

function writeExternalTensor(tensor: ProtoWriter, entry: TensorEntry, location: string): void {
  for (const size of entry.transposed ? [...entry.shape].reverse() : entry.shape) tensor.int(1, size);
  tensor.int(2, DATA_TYPE[entry.dtype as keyof typeof DATA_TYPE]).string(8, entry.name);
  for (const [key, value] of [
    ['location', location],
    ['offset', String(entry.offset)],
    ['length', String(entry.bytes)],
  ] as const) {
    tensor.message(13, (pair) => pair.string(1, key).string(2, value));
  }
  tensor.int(14, 1);
}

function writeValueInfo(value: ProtoWriter, { name, type, shape }: GraphPort): void {
  value.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensorType) => {
      tensorType.int(1, DATA_TYPE[type]).message(2, (shapeProto) => {
        for (const size of shape) {
          shapeProto.message(1, (dimension) => {
            if (typeof size === 'number') dimension.int(1, size);
            else dimension.string(2, size);
          });
        }
      });
    }),
  );
}
