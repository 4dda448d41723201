import { ModelError } from '../errors.ts';
import type { GraphPorts, Port } from '../onnx/ports.ts';

/** How a graph is fed, for exports of any tool. It is found from the names, types and shapes of inputs and outputs. */
export interface Wiring {
  readonly image?: ImageWiring;
  readonly text?: TextWiring;
  /** Items are run one by one, because the graph's results depend on the other items of a batch. */
  readonly oneByOne?: true;
  /** The graph is mostly convolutions. The values between its layers take tens of megabytes for one image. */
  readonly isConvolutional?: boolean;
}

export interface ImageWiring {
  readonly input: Port;
  readonly output: Port;
  /** S; undefined if the graph leaves it open: then the preprocessing config has it. */
  readonly size: number | undefined;
  readonly pixels: 'planes' | 'bytes';
}

export interface TextWiring {
  readonly input: Port;
  readonly mask: Port | undefined;
  /** The input of token types. A prompt is one sentence, so each token gets type 0. */
  readonly types: Port | undefined;
  readonly output: Port;
  /** T, if the graph fixes it: prompts are padded to it. */
  readonly length: number | undefined;
}

const [FLOAT32, UINT8, INT64] = [1, 2, 7];
export const INT32 = 6;
const IMAGE_OUTPUTS = ['image_embeds', 'image_embedding', 'image_features', 'embedding', 'output', 'pooler_output'];
const TEXT_OUTPUTS = ['text_embeds', 'text_embedding', 'text_features', 'embedding', 'output', 'pooler_output'];

/** The largest fixed input. More than 4 GiB of floats is not a batch of images, and is not allocated (CWE-770). */
const MOST_NUMBERS = 2 ** 30;

/**
 * Finds the encoders in a graph: one of them, or both in a joint graph.
 *
 * @throws ModelError if the graph has neither, or an encoder has no embedding among its outputs
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

/** Both encoders must have the same output width. An encoder without its projection has a width of its own. */
export function checkWidths(image: Port, text: Port, folder: string): void {
  const [a, b] = [fixed(image.shape[1]), fixed(text.shape[1])];
  if (a === undefined || b === undefined || a === b) return;
  throw new ModelError(
    `the image and text encoders in ${folder} do not match: ${a} and ${b} dimensions`,
    'export both encoders of the same model again, with their projections',
  );
}

/** A dimension, if the graph fixes it. */
export function fixed(dimension: number | string | undefined): number | undefined {
  return typeof dimension === 'number' && dimension > 0 ? dimension : undefined;
}

/** How many numbers the smallest tensor for this input has. */
function sizeOf({ shape }: Port): number {
  return shape.reduce<number>((product, size) => product * (fixed(size) ?? 1), 1);
}

function describe({ name, shape }: Port): string {
  return `${name} [${shape.join(', ')}]`;
}
