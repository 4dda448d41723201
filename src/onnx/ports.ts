import type { FileHandle } from 'node:fs/promises';
import { openModelFile } from '../checkpoint/model-file.ts';
import { ModelError } from '../errors.ts';

/** An input or output of a graph. */
export interface Port {
  readonly name: string;
  /** The number in TensorProto.DataType: 1 float32, 2 uint8, 6 int32, 7 int64, 10 float16; 0 if it is not a tensor. */
  readonly elementType: number;
  /** Numbers are fixed; names, or an empty text, may vary. */
  readonly shape: readonly (number | string)[];
}

/** The inputs, outputs and facts of an ONNX file. */
export interface GraphPorts {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** True if it quantises activations by their range over the whole batch: a result then depends on the other items. */
  readonly batchDependent?: true;
}

/** A field of a message: the place of its bytes, or its number. */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly value: number;
}

/** The allowed domains of operators: those of ONNX and onnxruntime. Other operators would need code from elsewhere. */
const DOMAINS: readonly string[] = ['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft'];

/** Operators that use one range for their whole input. */
const BATCH_RANGE: ReadonlySet<string> = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul']);

const WINDOW = 65_536;
/** Limits of names and shapes, far above real graphs (CWE-770). */
const MAX_TEXT = 10_000;
/** A joint fp32 CLIP has some 5,000 nodes and initializers. */
const MAX_FIELDS = 1_000_000;

/**
 * Reads the inputs and outputs of an ONNX file without loading it. Weights are skipped. Field numbers are those of onnx/onnx.proto.
 *
 * @throws ModelError if the file is truncated, is not an ONNX file, or uses unknown operators
 */
export async function readPorts(path: string): Promise<GraphPorts> {
  const { handle, size } = await openModelFile(path, 'check the path and its permissions');
  try {
    return await new PortReader(handle, path, size).model();
  } finally {
    await handle.close();
  }
}

class PortReader {
  private window = Buffer.alloc(0);
  private windowStart = 0;
  private fields = 0;

  constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    private readonly size: number,
  ) {}

  async model(): Promise<GraphPorts> {
    let ports: GraphPorts | undefined;
    for await (const field of this.message(0, this.size)) {
      if (field.number === 7) ports = await this.graph(field);
      if (field.number === 8) await this.checkDomain(field);
    }
    if (ports === undefined) throw this.damaged('contains no graph');
    return ports;
  }

  private async checkDomain(opset: Field): Promise<void> {
    const name = await this.text(opset, 1);
    if (!DOMAINS.includes(name)) {
      throw new ModelError(
        `${this.path} uses operators of ${name}`,
        'only operators of ONNX and onnxruntime are supported',
      );
    }
  }

  private async graph(graph: Field): Promise<GraphPorts> {
    const [inputs, outputs, weights]: [Port[], Port[], Set<string>] = [[], [], new Set()];
    let batchDependent = false;
    for await (const field of this.message(graph.start, graph.end)) {
      if (field.number === 1 && !batchDependent) batchDependent = BATCH_RANGE.has(await this.text(field, 4));
      if (field.number === 5) weights.add(await this.text(field, 8));
      if (field.number === 11) inputs.push(await this.port(field));
      if (field.number === 12) outputs.push(await this.port(field));
    }
    // Files from before 2019 list their weights as inputs, too.
    const ports = { inputs: inputs.filter(({ name }) => !weights.has(name)), outputs };
    return batchDependent ? { ...ports, batchDependent } : ports;
  }

  /** ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 } } } } */
  private async port(info: Field): Promise<Port> {
    const name = await this.text(info, 1);
    const type = await this.child(info, 2);
    const tensor = type && (await this.child(type, 1));
    if (tensor === undefined) return { name, elementType: 0, shape: [] };
    const elementType = (await this.child(tensor, 1))?.value ?? 0;
    const shapeField = await this.child(tensor, 2);
    const shape: (number | string)[] = [];
    if (shapeField !== undefined) {
      for await (const dimension of this.message(shapeField.start, shapeField.end)) {
        shape.push((await this.child(dimension, 1))?.value ?? (await this.text(dimension, 2)));
      }
    }
    return { name, elementType, shape };
  }

  private async child(parent: Field, number: number): Promise<Field | undefined> {
    for await (const field of this.message(parent.start, parent.end)) if (field.number === number) return field;
    return undefined;
  }

  private async text(parent: Field, number: number): Promise<string> {
    const field = await this.child(parent, number);
    if (field === undefined) return '';
    if (field.end - field.start > MAX_TEXT) throw this.damaged('has a name that is too long');
    return (await this.bytes(field.start, field.end - field.start)).toString('utf8');
  }

  private async *message(start: number, end: number): AsyncGenerator<Field> {
    let at = start;
    while (at < end) {
      if (++this.fields > MAX_FIELDS) throw this.damaged('has too many parts');
      const tag = await this.varint(at);
      const [number, wireType] = [Math.floor(tag.value / 8), tag.value % 8];
      at = tag.end;
      if (wireType === 0) {
        const { value, end: next } = await this.varint(at);
        yield { number, start: at, end: next, value };
        at = next;
      } else {
        const length = wireType === 2 ? await this.varint(at) : { value: { 1: 8, 5: 4 }[wireType], end: at };
        if (length.value === undefined || length.end + length.value > end)
          throw this.damaged('is incomplete or not an ONNX file');
        at = length.end + length.value;
        yield { number, start: length.end, end: at, value: 0 };
      }
    }
  }

  private async varint(at: number): Promise<{ readonly value: number; readonly end: number }> {
    const bytes = await this.bytes(at, Math.min(10, this.size - at));
    let value = 0;
    for (let i = 0; i < bytes.length; i++) {
      value += ((bytes[i] as number) & 127) * 2 ** (7 * i);
      if ((bytes[i] as number) < 128) return { value, end: at + i + 1 };
    }
    throw this.damaged('is incomplete or not an ONNX file');
  }

  private async bytes(at: number, length: number): Promise<Buffer> {
    if (at < this.windowStart || at + length > this.windowStart + this.window.length) {
      const buffer = Buffer.alloc(Math.max(WINDOW, length));
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, at);
      this.window = buffer.subarray(0, bytesRead);
      this.windowStart = at;
    }
    const from = at - this.windowStart;
    if (from + length > this.window.length) throw this.damaged('is incomplete or not an ONNX file');
    return this.window.subarray(from, from + length);
  }

  private damaged(what: string): ModelError {
    return new ModelError(`${this.path} ${what}`, 'download or export the model again');
  }
}
