import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../src/onnx/protobuf.ts';

const hex = (writer: ProtoWriter) => Buffer.from(writer.finish()).toString('hex');

// The worked examples of protobuf.dev/programming-guides/encoding.
describe('ProtoWriter', () => {
  it('writes a varint: field 1, 150', () => {
    expect(hex(new ProtoWriter().int(1, 150))).toBe('089601');
  });

  it('writes a string: field 2, "testing"', () => {
    expect(hex(new ProtoWriter().string(2, 'testing'))).toBe('120774657374696e67');
  });

  it('writes a nested message with its length in four bytes: field 3, { field 1: 150 }', () => {
    expect(hex(new ProtoWriter().message(3, (inner) => inner.int(1, 150)))).toBe('1a83808000089601');
  });

  it('writes a float: field 5, 1.702', () => {
    expect(hex(new ProtoWriter().float(5, 1.702))).toBe('2d23dbd93f'); // 0x3fd9db23, little endian
  });

  it('writes integers beyond 32 bits', () => {
    expect(hex(new ProtoWriter().int(1, 2 ** 35))).toBe('08808080808001');
  });

  it.each([-1, 0.5, 2 ** 60, Number.NaN])('refuses %s', (value) => {
    expect(() => new ProtoWriter().int(1, value)).toThrow(RangeError);
  });
});
