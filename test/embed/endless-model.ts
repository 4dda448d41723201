import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inferArchitecture } from '../../src/checkpoint/infer.ts';
import { readCheckpoint } from '../../src/checkpoint/safetensors.ts';
import { buildGraph } from '../../src/onnx/encoders.ts';
import { ProtoWriter } from '../../src/onnx/protobuf.ts';
import { fixture } from '../paths.ts';

const [FLOAT, INT64, BOOL] = [1, 7, 9];

/** A folder with an ONNX model whose image graph never ends: a `Loop` whose condition stays true. */
export async function endlessModel(folder: string): Promise<string> {
  const source = fixture('tiny-class');
  const checkpoint = await readCheckpoint(join(source, 'model.safetensors'));
  const architecture = inferArchitecture(checkpoint, JSON.parse(await readFile(join(source, 'config.json'), 'utf8')));
  await mkdir(folder, { recursive: true });
  for (const name of ['model.safetensors', 'config.json', 'preprocessor_config.json', 'tokenizer.json'])
    await cp(join(source, name), join(folder, name === 'model.safetensors' ? 'weights.bin' : name));
  const elsewhere = Object.create(checkpoint, { location: { value: 'weights.bin' } });
  await writeFile(join(folder, 'text_model.onnx'), buildGraph(elsewhere, architecture, 'text'));
  const { imageSize } = architecture.image;
  await writeFile(join(folder, 'vision_model.onnx'), endlessGraph(imageSize, architecture.embedding));
  return folder;
}

/** `pixel_values [B, 3, S, S]` → the first D pixels, negated for ever → `image_embeds [B, D]` (fields as in onnx.proto). */
function endlessGraph(size: number, embedding: number): Uint8Array {
  return new ProtoWriter()
    .int(1, 9)
    .message(7, (graph) =>
      graph
        .message(1, (node) => node.string(1, 'pixel_values').string(2, 'flat').string(4, 'Flatten'))
        .message(1, (node) => {
          for (const input of ['flat', 'zero', 'width', 'one']) node.string(1, input);
          node.string(2, 'begin').string(4, 'Slice');
        })
        .message(1, (node) =>
          node
            .string(1, '')
            .string(1, 'always')
            .string(1, 'begin')
            .string(2, 'image_embeds')
            .string(4, 'Loop')
            .message(5, (attribute) => attribute.string(1, 'body').message(6, body).int(20, 5)),
        )
        .string(2, 'endless')
        .message(5, (tensor) => int64(tensor, 'zero', 0))
        .message(5, (tensor) => int64(tensor, 'width', embedding))
        .message(5, (tensor) => int64(tensor, 'one', 1))
        .message(5, (tensor) => tensor.int(2, BOOL).string(8, 'always').bytes(9, Uint8Array.of(1)))
        .message(11, (value) => port(value, 'pixel_values', FLOAT, ['batch', 3, size, size]))
        .message(12, (value) => port(value, 'image_embeds', FLOAT, ['batch', embedding])),
    )
    .message(8, (opset) => opset.string(1, '').int(2, 20))
    .finish();
}

function body(graph: ProtoWriter): void {
  graph
    .message(1, (node) => node.string(1, 'go_on').string(2, 'still').string(4, 'Identity'))
    .message(1, (node) => node.string(1, 'now').string(2, 'next').string(4, 'Neg'))
    .string(2, 'body')
    .message(11, (value) => port(value, 'iteration', INT64, []))
    .message(11, (value) => port(value, 'go_on', BOOL, []))
    .message(11, (value) => port(value, 'now', FLOAT, ['batch', 'd']))
    .message(12, (value) => port(value, 'still', BOOL, []))
    .message(12, (value) => port(value, 'next', FLOAT, ['batch', 'd']));
}

function int64(tensor: ProtoWriter, name: string, value: number): void {
  const bytes = new Uint8Array(new BigInt64Array([BigInt(value)]).buffer);
  tensor.int(1, 1).int(2, INT64).string(8, name).bytes(9, bytes);
}

function port(value: ProtoWriter, name: string, type: number, shape: readonly (number | string)[]): void {
  value.string(1, name).message(2, (typeProto) =>
    typeProto.message(1, (tensor) =>
      tensor.int(1, type).message(2, (dimensions) => {
        for (const size of shape)
          dimensions.message(1, (one) => (typeof size === 'number' ? one.int(1, size) : one.string(2, size)));
      }),
    ),
  );
}
