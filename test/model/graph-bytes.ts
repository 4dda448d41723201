import { ProtoWriter } from '../../src/onnx/protobuf.ts';

/** TensorProto.DataType. */
export const [FLOAT, INT64, BOOL, STRING, FLOAT16] = [1, 7, 9, 8, 10];
export type Size = number | string;
type Write = (message: ProtoWriter) => void;

/** The parts of a small encoder. Each field is changed by one kind of hostile model. Field numbers are those of onnx.proto. */
export interface Parts {
  readonly input: readonly [name: string, type: number, shape: readonly Size[]];
  readonly output: readonly [name: string, type: number, shape: readonly Size[]];
  readonly nodes: readonly Write[];
  /** Keys and values of the external data of the weight `w`, 20 floats; none where the weight is inside. */
  readonly external?: Readonly<Record<string, string>>;
  readonly weight?: readonly number[];
  readonly dims?: readonly number[];
  readonly initializers?: readonly Write[];
  readonly domains?: readonly string[];
  readonly functions?: readonly Write[];
}

export const node =
  (operator: string, inputs: readonly string[], output: string, more: Write = () => {}): Write =>
  (message) => {
    for (const input of inputs) message.string(1, input);
    message.string(2, output).string(4, operator);
    more(message);
  };

export const attribute = (name: string, kind: number, write: Write): Write => {
  return (message) =>
    message.message(5, (a) => {
      a.string(1, name);
      write(a);
      a.int(20, kind);
    });
};

export const int64s =
  (name: string, ...values: number[]): Write =>
  (tensor) =>
    tensor
      .int(1, values.length)
      .int(2, INT64 as number)
      .string(8, name)
      .bytes(9, new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer));

/** `pixel_values [B, 3, 32, 32]` → its first 20 numbers times `w` → `image_embeds [B, 20]`. */
export const IMAGE: Parts = {
  input: ['pixel_values', 1, ['batch', 3, 32, 32]],
  output: ['image_embeds', 1, ['batch', 20]],
  nodes: [
    node('Flatten', ['pixel_values'], 'flat'),
    node('Slice', ['flat', 'zero', 'width', 'one'], 'begin'),
    node('Mul', ['begin', 'w'], 'image_embeds'),
  ],
};

/** `input_ids [B, T]` → their mean times `w` → `text_embeds [B, 20]`. */
export const TEXT: Parts = {
  input: ['input_ids', 7, ['batch', 'tokens']],
  output: ['text_embeds', 1, ['batch', 20]],
  nodes: [
    node(
      'Cast',
      ['input_ids'],
      'numbers',
      attribute('to', 2, (a) => a.int(3, 1)),
    ),
    node('ReduceMean', ['numbers', 'one'], 'mean'),
    node('Mul', ['mean', 'w'], 'text_embeds'),
  ],
};

export function graphBytes(parts: Parts): Uint8Array {
  const { input, output, nodes, external, weight = Array.from({ length: 20 }, (_, n) => n + 1), dims = [20] } = parts;
  const model = new ProtoWriter().int(1, 9).message(7, (graph) => {
    for (const one of nodes) graph.message(1, one);
    graph.string(2, 'hostile');
    for (const one of [int64s('zero', 0), int64s('width', 20), int64s('one', 1)]) graph.message(5, one);
    graph.message(5, (tensor) => {
      for (const size of dims) tensor.int(1, size);
      tensor.int(2, 1).string(8, 'w');
      if (external === undefined) tensor.bytes(9, new Uint8Array(Float32Array.from(weight).buffer));
      for (const [key, value] of Object.entries(external ?? {}))
        tensor.message(13, (pair) => pair.string(1, key).string(2, value));
      if (external !== undefined) tensor.int(14, 1);
    });
    for (const one of parts.initializers ?? []) graph.message(5, one);
    graph.message(11, (value) => port(value, input)).message(12, (value) => port(value, output));
  });
  for (const domain of ['', ...(parts.domains ?? [])])
    model.message(8, (opset) => opset.string(1, domain).int(2, domain === '' ? 20 : 1));
  for (const one of parts.functions ?? []) model.message(25, one);
  return model.finish();
}

function port(value: ProtoWriter, [name, type, shape]: Parts['input']): void {
  value.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensor) =>
      tensor.int(1, type).message(2, (dimensions) => {
        for (const size of shape)
          dimensions.message(1, (one) => (typeof size === 'number' ? one.int(1, size) : one.string(2, size)));
      }),
    ),
  );
}
