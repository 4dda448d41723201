import { type FileHandle, open } from 'node:fs/promises';
import { ProtoWriter } from '../../src/onnx/protobuf.ts';

const FLOAT = 1;
const INT64 = 7;

/** What an ONNX node may be told. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** An input or output: its element type and shape; a name is a dimension that varies. */
export type Port = readonly [name: string, type: 'float' | 'int64', shape: readonly (number | string)[]];

/**
 * Writes an ONNX file that contains its weights, like torch.onnx and the repositories of transformers.js. A message
 * may come in parts, which a reader of protobuf joins: each weight is a part of the graph, written when it is there.
 */
export class InlineGraph {
  private readonly graph = new ProtoWriter();
  private count = 0;

  constructor(private readonly file: FileHandle) {}

  static async write(path: string, build: (graph: InlineGraph) => Promise<void>): Promise<void> {
    const file = await open(path, 'w');
    try {
      const graph = new InlineGraph(file);
      await build(graph);
      const model = new ProtoWriter()
        .int(1, 7)
        .string(2, 'bench')
        .bytes(7, graph.graph.string(2, 'clip').finish())
        .message(8, (opset) => opset.string(1, '').int(2, 14));
      await file.writeFile(model.finish());
    } finally {
      await file.close();
    }
  }

  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
  ): string {
    const result = output ?? `${operator}_${this.count++}`;
    this.graph.message(1, (node) => {
      for (const input of inputs) node.string(1, input);
      node.string(2, result).string(3, result).string(4, operator);
      for (const [name, value] of Object.entries(attributes)) node.message(5, (a) => writeAttribute(a, name, value));
    });
    return result;
  }

  async weight(name: string, shape: readonly number[], values: Float32Array): Promise<void> {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const part = new ProtoWriter().message(5, (tensor) => writeTensor(tensor, name, FLOAT, shape, raw));
    await this.file.writeFile(new ProtoWriter().bytes(7, part.finish()).finish());
  }

  float(value: number): string {
    return this.constant(`float_${value}`, FLOAT, [], new Uint8Array(Float32Array.of(value).buffer));
  }

  /** A list of 64-bit integers. */
  ints(...values: number[]): string {
    const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.constant(`ints_${values.join('_')}`, INT64, [values.length], raw);
  }

  ports(inputs: readonly Port[], outputs: readonly Port[]): void {
    for (const [field, ports] of [
      [11, inputs],
      [12, outputs],
    ] as const) {
      for (const port of ports) this.graph.message(field, (value) => writePort(value, port));
    }
  }

  private readonly constants = new Set<string>();

  private constant(name: string, type: number, shape: readonly number[], raw: Uint8Array): string {
    if (!this.constants.has(name)) this.graph.message(5, (tensor) => writeTensor(tensor, name, type, shape, raw));
    this.constants.add(name);
    return name;
  }
}

function writeTensor(tensor: ProtoWriter, name: string, type: number, shape: readonly number[], raw: Uint8Array): void {
  for (const size of shape) tensor.int(1, size);
  tensor.int(2, type).string(8, name).bytes(9, raw);
}

function writeAttribute(attribute: ProtoWriter, name: string, value: Attribute): void {
  attribute.string(1, name);
  if (typeof value === 'number') attribute.int(3, value).int(20, 2);
  else if ('float' in value) attribute.float(2, value.float).int(20, 1);
  else {
    for (const item of value) attribute.int(8, item);
    attribute.int(20, 7);
  }
}

function writePort(value: ProtoWriter, [name, type, shape]: Port): void {
  value.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensor) =>
      tensor.int(1, type === 'float' ? FLOAT : INT64).message(2, (shapeProto) => {
        for (const size of shape)
          shapeProto.message(1, (dim) => (typeof size === 'number' ? dim.int(1, size) : dim.string(2, size)));
      }),
    ),
  );
}
