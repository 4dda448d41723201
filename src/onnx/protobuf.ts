/** The initial size, enough for the graphs of usual models. It grows for larger ones. */
const FIRST_CAPACITY = 1 << 17;
/** Bytes for a length that is written later, up to 28 bits. A varint may have more bytes than its number needs. */
const LENGTH_BYTES = 4;

/**
 * The three wire types of Protocol Buffers that an ONNX file is written with
 * (protobuf.dev/programming-guides/encoding): varint, 32-bit and length-delimited.
 * A message is a list of fields; nested messages are written with {@link ProtoWriter.message}.
 */
export class ProtoWriter {
  private buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  private length = 0;

  /** A varint field: int32, int64, bool or enum. Values are non-negative here. */
  int(field: number, value: number): this {
    return this.varint(field * 8).varint(value);
  }

  float(field: number, value: number): this {
    this.varint(field * 8 + 5).reserve(4);
    this.length = this.buffer.writeFloatLE(value, this.length);
    return this;
  }

  string(field: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.varint(field * 8 + 2)
      .varint(length)
      .reserve(length);
    this.length += this.buffer.write(value, this.length);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint(field * 8 + 2)
      .varint(value.length)
      .reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  /** A nested message. It is written in place, and its length afterwards. @throws RangeError above 256 MB */
  message(field: number, write: (message: this) => void): this {
    this.varint(field * 8 + 2).reserve(LENGTH_BYTES);
    const from = this.length + LENGTH_BYTES;
    this.length = from;
    write(this);
    let rest = this.length - from;
    for (let at = from - LENGTH_BYTES; at < from - 1; at++, rest >>>= 7) this.buffer[at] = (rest & 127) | 128;
    if (rest > 127) throw new RangeError('a message is too long');
    this.buffer[from - 1] = rest;
    return this;
  }

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Seven bits per byte, lowest first. It uses division, because a file offset may need more than 32 bits. */
  private varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} cannot be a varint here`);
    this.reserve(8); // 53 bits
    let rest = value;
    while (rest > 127) {
      this.buffer[this.length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.length++] = rest;
    return this;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.buffer.length, this.length + bytes));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }
}
