import { copyFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Checkpoint } from '../checkpoint/safetensors.ts';
import type { Clip } from '../clip.ts';
import { throwCannotWrite, writeWholeFile } from '../disk/whole-file.ts';
import { UsageError } from '../errors.ts';
import { buildGraph } from '../onnx/encoders.ts';
import { ProtoWriter } from '../onnx/protobuf.ts';
import { promptsOf } from '../text/prompts.ts';
import { type Learned, pictureEvidence } from './learned.ts';
import { neutralWhereWordless } from './words.ts';

/** The inputs and outputs of the graphs. */
export const [EMBEDS, LOGITS, PROBABILITIES] = ['image_embeds', 'logits', 'probabilities'];

/** Numbers of onnx/onnx.proto: element type float, attribute type int, the version of the operators. */
const [FLOAT, INT, OPSET, IR_VERSION] = [1, 2, 20, 9];

/** A classifier as one plane for each class: `logits = unit(embedding) · weightsᵀ + biases`. */
interface Head {
  readonly width: number;
  /** [C, D] */
  readonly weights: Float32Array;
  /** [C] */
  readonly biases: Float32Array;
}

/** Words and pictures are both linear in a unit embedding, and so is their sum. */
async function headOf(learned: Learned, clip: Clip): Promise<Head> {
  const { labels, templates, statistics } = learned;
  const { width } = statistics;
  const { rows } = await clip.encodeLabels(labels.map((label) => promptsOf(label, templates)));
  const { planes, offsets, words } = pictureEvidence(learned);
  const text = neutralWhereWordless(rows, labels).data;
  const scale = words * clip.logitScale;
  return {
    width,
    weights: Float32Array.from(planes, (plane, at) => plane + scale * (text[at] as number)),
    biases: Float32Array.from(offsets),
  };
}

/** `image_embeds [B, D] → logits, probabilities [B, C]`; embeddings need not be of unit length. */
export async function headGraph(learned: Learned, clip: Clip): Promise<Uint8Array> {
  const head = await headOf(learned, clip);
  return new ProtoWriter()
    .int(1, IR_VERSION)
    .string(2, 'clip-classify')
    .message(7, (graph) => {
      graph.string(2, 'classifier head');
      addHead(graph, head);
      addPort(graph, 11, EMBEDS, head.width);
    })
    .message(8, (opset) => opset.string(1, '').int(2, OPSET))
    .message(14, (entry) => entry.string(1, 'labels').string(2, labelsText(learned)))
    .finish();
}

/**
 * `pixel_values [B, 3, S, S] → image_embeds, logits, probabilities`. The bytes of the image encoder's graph, followed by those of the head:
 * protobuf merges messages that follow each other (protobuf.dev/programming-guides/encoding), so the nodes of the head come after
 * those of the encoder.
 *
 * @param data the name of the file that will hold the weights, next to the graph
 */
async function wholeGraph(learned: Learned, clip: Clip, data: string): Promise<Uint8Array> {
  const { checkpoint, architecture } = requireCheckpoint(clip);
  const image = buildGraph(new Checkpoint(data, checkpoint.tensors, checkpoint.header), architecture, 'image');
  const head = await headOf(learned, clip);
  const more = new ProtoWriter()
    .message(7, (graph) => addHead(graph, head))
    .message(14, (entry) => entry.string(1, 'labels').string(2, labelsText(learned)))
    .message(14, (entry) => entry.string(1, 'preprocessing').string(2, JSON.stringify(clip.preprocessing)))
    .finish();
  return Buffer.concat([image, more]);
}

/** Writes only the head. @throws OutputError */
export async function writeHeadGraph(learned: Learned, clip: Clip, file: string): Promise<void> {
  await writeWholeFile(file, await headGraph(learned, clip));
}

/**
 * Writes the whole model: the graph, and next to it `<file>.data` with its weights.
 *
 * @throws UsageError if the model consists of ONNX files; OutputError
 */
export async function writeWholeGraph(learned: Learned, clip: Clip, file: string): Promise<void> {
  const { checkpoint } = requireCheckpoint(clip);
  const data = `${file}.data`;
  const graph = await wholeGraph(learned, clip, basename(data));
  await copyFile(checkpoint.file, data).catch(throwCannotWrite(data));
  await writeWholeFile(file, graph);
}

function requireCheckpoint({ name, contents }: Clip) {
  if (contents.kind === 'checkpoint') return contents;
  throw new UsageError(
    `a whole graph needs a checkpoint, but ${name} is an ONNX model`,
    'export head.onnx, which works with any model, or use the same model as safetensors',
  );
}

function labelsText({ labels }: Learned): string {
  return JSON.stringify(labels.map(({ label }) => label));
}

function addHead(graph: ProtoWriter, { width, weights, biases }: Head): void {
  const classes = biases.length;
  addNode(graph, 'LpNormalization', [EMBEDS], 'head_unit', { axis: 1, p: 2 });
  addNode(graph, 'Gemm', ['head_unit', 'head_weights', 'head_biases'], LOGITS, { transB: 1 });
  addNode(graph, 'Softmax', [LOGITS], PROBABILITIES, { axis: 1 });
  addTensor(graph, 'head_weights', [classes, width], weights);
  addTensor(graph, 'head_biases', [classes], biases);
  addPort(graph, 12, LOGITS, classes);
  addPort(graph, 12, PROBABILITIES, classes);
}

function addNode(
  graph: ProtoWriter,
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number>>,
): void {
  graph.message(1, (node) => {
    for (const input of inputs) node.string(1, input);
    node.string(2, output).string(3, `head_${operator}`).string(4, operator);
    for (const [name, value] of Object.entries(attributes))
      node.message(5, (attribute) => attribute.string(1, name).int(3, value).int(20, INT));
  });
}

function addTensor(graph: ProtoWriter, name: string, shape: readonly number[], { buffer }: Float32Array): void {
  graph.message(5, (tensor) => {
    for (const size of shape) tensor.int(1, size);
    tensor.int(2, FLOAT).string(8, name).bytes(9, new Uint8Array(buffer));
  });
}

/** @param field 11 for an input, 12 for an output */
function addPort(graph: ProtoWriter, field: 11 | 12, name: string, columns: number): void {
  graph.message(field, (port) =>
    port
      .string(1, name)
      .message(2, (type) =>
        type.message(1, (tensor) =>
          tensor
            .int(1, FLOAT)
            .message(2, (shape) =>
              shape.message(1, (size) => size.string(2, 'batch')).message(1, (size) => size.int(1, columns)),
            ),
        ),
      ),
  );
}
