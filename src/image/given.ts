import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ImageError, messageOf, UsageError } from '../errors.ts';
import { checkSize } from './file.ts';
import { type ImageSource, sourceOfText } from './source.ts';

/** One image as input of the library. Bytes without a name are named by their number: `image 1`. */
export type ImageInput =
  /** A path, or a URL that begins with http:// or https:// (a file of such a name: `./http://…`). */
  | string
  | { readonly name: string; readonly bytes: Uint8Array }
  /** A path that is not valid UTF-8: its bytes, and a readable name. */
  | { readonly name: string; readonly path: Uint8Array }
  /** Bytes that are read when they are needed. */
  | { readonly name: string; readonly read: () => Promise<Uint8Array> }
  | ImageSource
  /** http:, https: or file: */
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  /** A stream of Node or of the web. */
  | AsyncIterable<Uint8Array>;

/** One image, or any iterable of images. */
export type ImageInputs = ImageInput | Iterable<ImageInput> | AsyncIterable<ImageInput>;

const NEXT_STEP = 'use a path, a URL, bytes, a Blob, a stream or { name, bytes }';

/** Parses the images one by one. The rest of the library uses only {@link ImageSource}. */
export async function* sourcesOf(inputs: ImageInputs): AsyncGenerator<ImageSource> {
  let number = 0;
  for await (const input of isAlone(inputs) ? [inputs] : inputs) yield sourceOfInput(input, `image ${++number}`);
}

function isAlone(inputs: ImageInputs): inputs is ImageInput {
  if (typeof inputs === 'string') return true;
  if (typeof inputs !== 'object' || inputs === null) return true; // sourceOfInput refuses it
  if (inputs instanceof Readable) return !inputs.readableObjectMode;
  if (inputs instanceof ReadableStream || inputs instanceof Uint8Array) return true;
  return !(Symbol.iterator in inputs || Symbol.asyncIterator in inputs);
}

/** @param number the name of bytes without a name; @throws UsageError if the input is not an image */
export function sourceOfInput(input: ImageInput, number: string): ImageSource {
  if (typeof input === 'string') return sourceOfText(input);
  if (typeof input !== 'object' || input === null) throw new UsageError(`${number} is ${String(input)}`, NEXT_STEP);
  if (input instanceof URL) return sourceOfText(input.protocol === 'file:' ? fileURLToPath(input) : input.href);
  if (input instanceof Uint8Array) return { kind: 'bytes', name: number, bytes: input };
  if (input instanceof ArrayBuffer) return { kind: 'bytes', name: number, bytes: new Uint8Array(input) };
  if (input instanceof Blob) {
    const name = 'name' in input && typeof input.name === 'string' ? input.name : number;
    return guarded(name, async () => new Uint8Array(await input.arrayBuffer()));
  }
  if ('kind' in input) return input;
  if ('read' in input && 'name' in input && typeof input.read === 'function' && typeof input.name === 'string')
    return guarded(input.name, input.read as () => Promise<Uint8Array>);
  if (Symbol.asyncIterator in input) return guarded(number, () => collect(input, number));
  if ('bytes' in input && input.bytes instanceof Uint8Array)
    return { kind: 'bytes', name: input.name, bytes: input.bytes };
  if ('path' in input && input.path instanceof Uint8Array)
    return { kind: 'file', name: input.name, path: Buffer.from(input.path) };
  throw new UsageError(`${number} is an object without name and bytes`, NEXT_STEP);
}

/** A source that throws becomes a bad image and does not end the run. */
function guarded(name: string, read: () => Promise<Uint8Array>): ImageSource {
  return {
    kind: 'stream',
    name,
    read: async () => {
      try {
        const bytes = await read();
        if (bytes instanceof Uint8Array) return bytes;
        throw new TypeError('its read() did not return a Uint8Array');
      } catch (error) {
        if (error instanceof ImageError) throw error;
        throw new ImageError('E_UNREADABLE', `cannot read ${name}: ${messageOf(error)}`, 'check its source', error);
      }
    },
  };
}

/** @throws ImageError E_FILE_SIZE as soon as there are too many bytes */
async function collect(stream: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > 0) checkSize(name, size);
  }
  return Buffer.concat(chunks);
}
