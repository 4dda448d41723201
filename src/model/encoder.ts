import type { Port } from '../onnx/ports.ts';
import { type Matrix, stack } from '../tensor.ts';
import { masked } from '../text/tokenizer.ts';
import type { Feed, Session } from './session.ts';
import { fixed, type ImageWiring, INT32, type TextWiring, type Wiring } from './wiring.ts';

/** What an image graph takes: planes of normalised floats `[3, S, S]`, or the bytes of the crop `[S, S, 3]`. */
export type Pixels = Float32Array | Uint8Array;

/**
 * Runs images through a graph, in batches of the size that the graph allows.
 *
 * @param rows the batch size, at least the number of images; a GPU always gets full batches
 * @returns [N, D], not yet unit length
 */
export function runImageGraph(
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
 * Runs prompts through a graph. If the graph allows any length, the prompts of a batch have the same length, so that no padding is
 * computed. The embeddings are returned in the order of the prompts.
 *
 * @param prompts token ids
 * @param batch the most prompts of one run
 * @returns [P, D], not yet unit length
 */
export async function runTextGraph(
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

/** Token ids, filled up with zeros after the end of text, and which of them are seen if the graph asks for it. */
export function textFeeds(
  { input, mask, types, length }: TextWiring,
  prompts: readonly (readonly number[])[],
  count: number,
): Record<string, Feed> {
  const longest = length ?? Math.max(...prompts.map((prompt) => prompt.length));
  const ids = new Int32Array(count * longest);
  const seen = new Int32Array(count * longest);
  for (const [n, prompt] of prompts.entries()) {
    for (const [t, id] of prompt.entries()) {
      ids[n * longest + t] = id < 0 ? masked(id) : id;
      seen[n * longest + t] = id < 0 ? 0 : 1;
    }
  }
  const feed = (port: Port, data: Int32Array): Feed => {
    const shape = [count, longest];
    if (port.elementType === INT32) return { type: 'int32', data, shape };
    return { type: 'int64', data: BigInt64Array.from(data, BigInt), shape };
  };
  return {
    [input.name]: feed(input, ids),
    ...(mask && { [mask.name]: feed(mask, seen) }),
    ...(types && { [types.name]: feed(types, new Int32Array(count * longest)) }),
  };
}

/** A blank image, because a joint graph needs an image even if only texts are encoded. */
export function blankImage({ input, pixels }: ImageWiring, size: number): Record<string, Feed> {
  const length = 3 * size * size;
  if (pixels === 'bytes')
    return { [input.name]: { type: 'uint8', data: new Uint8Array(length), shape: [1, size, size, 3] } };
  return { [input.name]: { type: 'float32', data: new Float32Array(length), shape: [1, 3, size, size] } };
}

/**
 * Runs items in batches of at most `size`. Only consecutive items with equal `alike` share a batch. Results for the padding of a fixed batch are
 * dropped.
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
  return stack(parts);
}
