import { ModelError } from '../errors.ts';
import type { GraphPorts, Port } from '../onnx/ports.ts';
import type { Matrix } from '../tensor.ts';
import { masked } from '../text/tokenizer.ts';
import type { Feed, Session } from './session.ts';

/** What an image graph wants: planes of normalised floats `[3, S, S]`, or the bytes of the crop `[S, S, 3]`. */
export type Pixels = Float32Array | Uint8Array;

/** How a graph of any common layout is fed: found from the names, types and shapes of its inputs and outputs. */
export interface Wiring {
  readonly image?: ImageWiring;
  readonly text?: TextWiring;
  /** Items are run one by one, because the graph's results depend on what else is in a batch. */
  readonly oneByOne?: true;
}

export interface ImageWiring {
  readonly input: Port;
  readonly output: Port;
  /** S; where the graph leaves it open, the preprocessing says it. */
  readonly size: number | undefined;
  readonly pixels: 'planes' | 'bytes';
}

export interface TextWiring {
  readonly input: Port;
  readonly mask: Port | undefined;
  /** Wants 0 for each token of the first sentence, which is all of a prompt. */
  readonly types: Port | undefined;
  readonly output: Port;
  /** T where it is fixed: prompts are padded to it. */
  readonly length: number | undefined;
}

const [FLOAT32, UINT8, INT32, INT64] = [1, 2, 6, 7];
const IMAGE_OUTPUTS = ['image_embeds', 'image_embedding', 'image_features', 'embedding', 'output', 'pooler_output'];
const TEXT_OUTPUTS = ['text_embeds', 'text_embedding', 'text_features', 'embedding', 'output', 'pooler_output'];

/** A fixed input of more than 4 GiB of floats is no batch of images; nothing of that size is allocated (CWE-770). */
const MOST_NUMBERS = 2 ** 30;

/**
 * Finds the towers in a graph: one, or both of a joint graph.
 *
 * @throws ModelError if the graph has neither, or a tower has no embedding among its outputs
 */
export function wire({ inputs, outputs, batchDependent }: GraphPorts, path: string): Wiring {
  const image = inputs.find(({ shape, elementType }) => shape.length === 4 && [FLOAT32, UINT8].includes(elementType));
  const integers = inputs.filter(
    ({ shape, elementType }) => shape.length === 2 && [INT32, INT64].includes(elementType),
  );
  const ids = integers.find(({ name }) => !/mask|position|type/u.test(name));
  const huge = [image, ids].find((port) => port && sizeOf(port) > MOST_NUMBERS);
  if (huge !== undefined)
    throw new ModelError(
      `${path} requires the input ${describe(huge)}, which is too large`,
      'export the model with a smaller batch',
    );
  if (image === undefined && ids === undefined) {
    throw new ModelError(
      `${path} has unsupported inputs: ${inputs.map(describe).join(', ')}`,
      'an image encoder needs [batch, 3, S, S] or [batch, S, S, 3], a text encoder [batch, tokens]',
    );
  }
  return {
    ...(batchDependent && { oneByOne: true }),
    ...(image && { image: wireImage(image, findOutput(outputs, IMAGE_OUTPUTS, path), path) }),
    ...(ids && {
      text: {
        input: ids,
        mask: integers.find(({ name }) => name.includes('mask')),
        types: integers.find(({ name }) => name.includes('type')),
        output: findOutput(outputs, TEXT_OUTPUTS, path),
        length: fixed(ids.shape[1]),
      },
    }),
  };
}

function wireImage(input: Port, output: Port, path: string): ImageWiring {
  const pixels = input.elementType === UINT8 ? 'bytes' : 'planes';
  const [channels, side] = pixels === 'bytes' ? [input.shape[3], input.shape[1]] : [input.shape[1], input.shape[3]];
  if ((fixed(channels) ?? 3) !== 3)
    throw new ModelError(`${path} has the input ${describe(input)}`, 'use an image encoder for RGB');
  return { input, output, size: fixed(side), pixels };
}

function findOutput(outputs: readonly Port[], names: readonly string[], path: string): Port {
  const found = names
    .map((name) => outputs.find((port) => port.name === name && port.shape.length === 2))
    .find(Boolean);
  const only = outputs.length === 1 && outputs[0]?.shape.length === 2 ? outputs[0] : undefined;
  const output = found ?? only;
  if (output !== undefined) return output;
  throw new ModelError(
    `${path} has the outputs ${outputs.map(describe).join(', ')}, but no embedding [batch, D]`,
    'export the model with its projection',
  );
}

/** Towers must meet in one space; without its projection a tower has its own width. */
export function checkWidths(image: Port, text: Port, folder: string): void {
  const [a, b] = [fixed(image.shape[1]), fixed(text.shape[1])];
  if (a === undefined || b === undefined || a === b) return;
  throw new ModelError(
    `the image and text encoders in ${folder} do not match: ${a} and ${b} dimensions`,
    'export both encoders of the same model again, with their projections',
  );
}

/**
 * Runs images through a graph, in the batches that it takes.
 *
 * @param rows the batch that a GPU is always given, at least the number of images
 * @returns [N, D], not yet unit length
 */
export function encodeImages(
  session: Session,
  wiring: Required<Pick<Wiring, 'image'>> & Wiring,
  images: readonly Pixels[],
  size: number,
  rows: number,
): Promise<Matrix> {
  const { input, output, pixels } = wiring.image;
  return inBatches(
    images,
    fixed(input.shape[0]) ?? (wiring.oneByOne ? 1 : rows),
    () => 0,
    async (batch, count) => {
      const shape = pixels === 'bytes' ? [count, size, size, 3] : [count, 3, size, size];
      const length = 3 * size * size;
      const data = pixels === 'bytes' ? new Uint8Array(count * length) : new Float32Array(count * length);
      for (const [n, image] of batch.entries()) data.set(image, n * length);
      const feed: Feed = data instanceof Uint8Array ? { type: 'uint8', data, shape } : { type: 'float32', data, shape };
      const feeds = { [input.name]: feed, ...(wiring.text && textFeeds(wiring.text, [[0]], 1)) };
      const [embeddings] = await session.run(feeds, [output.name]);
      return embeddings as Matrix;
    },
  );
}

/**
 * Runs prompts through a graph, in batches of one length where the graph lets it vary, so that no padding is computed, and puts
 * their embeddings back in the order given.
 *
 * @param prompts token ids
 * @param batch the most prompts of one run
 * @returns [P, D], not yet unit length
 */
export async function encodeTexts(
  session: Session,
  wiring: Required<Pick<Wiring, 'text'>> & Wiring,
  prompts: readonly (readonly number[])[],
  batch: number,
  imageSize: number,
): Promise<Matrix> {
  const { input, output, length } = wiring.text;
  const lengthOf = (index: number) => (prompts[index] as readonly number[]).length;
  const order = [...prompts.keys()].sort((a, b) => lengthOf(a) - lengthOf(b));
  const rows = fixed(input.shape[0]);
  const alike = rows === undefined && length === undefined ? lengthOf : () => 0;
  const sorted = await inBatches(order, rows ?? (wiring.oneByOne ? 1 : batch), alike, async (indices, count) => {
    const feeds = textFeeds(
      wiring.text,
      indices.map((index) => prompts[index] as readonly number[]),
      rows ?? Math.min(count, indices.length),
    );
    const [embeddings] = await session.run({ ...feeds, ...(wiring.image && blankImage(wiring.image, imageSize)) }, [
      output.name,
    ]);
    return embeddings as Matrix;
  });
  const data = new Float32Array(sorted.data.length);
  for (const [n, index] of order.entries()) {
    data.set(sorted.data.subarray(n * sorted.columns, (n + 1) * sorted.columns), index * sorted.columns);
  }
  return { rows: prompts.length, columns: sorted.columns, data };
}

/** Token ids, filled up with zeros after the end of text, and which of them are seen where the graph asks for it. */
export function textFeeds(
  { input, mask, types, length }: TextWiring,
  prompts: readonly (readonly number[])[],
  count: number,
): Record<string, Feed> {
  const longest = length ?? Math.max(...prompts.map((prompt) => prompt.length));
  const ids = new Int32Array(count * longest);
  const ones = new Int32Array(count * longest);
  for (const [n, prompt] of prompts.entries()) {
    ids.set(
      prompt.map((id) => (id < 0 ? masked(id) : id)),
      n * longest,
    );
    ones.set(
      prompt.map((id) => (id < 0 ? 0 : 1)),
      n * longest,
    );
  }
  const feed = (port: Port, data: Int32Array): Feed => {
    const shape = [count, longest];
    if (port.elementType === INT32) return { type: 'int32', data, shape };
    return { type: 'int64', data: BigInt64Array.from(data, BigInt), shape };
  };
  return {
    [input.name]: feed(input, ids),
    ...(mask && { [mask.name]: feed(mask, ones) }),
    ...(types && { [types.name]: feed(types, new Int32Array(count * longest)) }),
  };
}

/** A joint graph wants an image too where only texts are asked about. */
export function blankImage({ input, pixels }: ImageWiring, size: number): Record<string, Feed> {
  const length = 3 * size * size;
  if (pixels === 'bytes')
    return { [input.name]: { type: 'uint8', data: new Uint8Array(length), shape: [1, size, size, 3] } };
  return { [input.name]: { type: 'float32', data: new Float32Array(length), shape: [1, 3, size, size] } };
}

/**
 * Runs items in batches of `size`, neighbours that are alike together; what a fixed batch computes beyond them is left out.
 */
async function inBatches<T>(
  items: readonly T[],
  size: number,
  alike: (item: T) => number,
  run: (batch: readonly T[], count: number) => Promise<Matrix>,
): Promise<Matrix> {
  const parts: Matrix[] = [];
  for (let start = 0, end = 0; start < items.length; start = end) {
    while (end < items.length && end - start < size && alike(items[end] as T) === alike(items[start] as T)) end++;
    const batch = items.slice(start, end);
    const { columns, data } = await run(batch, size);
    parts.push({ rows: batch.length, columns, data: data.subarray(0, batch.length * columns) });
  }
  const columns = parts[0]?.columns ?? 0;
  const data = new Float32Array(items.length * columns);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { rows: items.length, columns, data };
}

function fixed(dimension: number | string | undefined): number | undefined {
  return typeof dimension === 'number' && dimension > 0 ? dimension : undefined;
}

/** Numbers of the smallest tensor that such an input takes. */
function sizeOf({ shape }: Port): number {
  return shape.reduce<number>((product, size) => product * (fixed(size) ?? 1), 1);
}

function describe({ name, shape }: Port): string {
  return `${name} [${shape.join(', ')}]`;
}
