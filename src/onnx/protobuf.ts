/**
 * The three wire types of Protocol Buffers that an ONNX file is written with
 * (protobuf.dev/programming-guides/encoding): varint, 32-bit and length-delimited.
 * A message is a list of fields; nested messages are written with {@link ProtoWriter.message}.
 */
export class ProtoWriter {
  private readonly chunks: Uint8Array[] = [];

  /** A varint field: int32, int64, bool or enum. Values are non-negative here. */
  int(field: number, value: number): this {
    return this.tag(field, 0).push(varint(value));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.tag(field, 5).push(bytes);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.tag(field, 2).push(varint(value.length)).push(value);
  }

  message(field: number, write: (message: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  finish(): Uint8Array {
    return Buffer.concat(this.chunks);
  }

  private tag(field: number, wireType: 0 | 2 | 5): this {
    return this.push(varint(field * 8 + wireType));
  }

  private push(bytes: Uint8Array): this {
    this.chunks.push(bytes);
    return this;
  }
}

/** Seven bits a byte, the lowest first; by division, because a file offset may need more than 32 bits. */
function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} cannot be a varint here`);
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
