import { inflateSync } from 'node:zlib';

/** The supported compressions of TIFF. */
export const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: 'none',
  5: 'LZW',
  8: 'Deflate',
  32946: 'Deflate',
  32773: 'PackBits',
};

/**
 * A strip or tile without its compression.
 *
 * @param length the most bytes that are needed
 * @returns the bytes; fewer than `length` if the data end early
 */
export function decompress(data: Uint8Array, compression: number, length: number): Uint8Array {
  switch (COMPRESSIONS[compression]) {
    case 'none':
      return data.subarray(0, length);
    case 'LZW':
      return lzw(data, length);
    case 'Deflate':
      return inflateSync(data, { maxOutputLength: length + 65_536 }).subarray(0, length);
    case 'PackBits':
      return packBits(data, length);
    default:
      throw new RangeError(`compression ${compression}`);
  }
}

function packBits(data: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at < data.length && to < length; ) {
    const head = data[at++] as number;
    if (head < 128) {
      const run = data.subarray(at, at + Math.min(head + 1, length - to));
      out.set(run, to);
      to += run.length;
      at += head + 1;
    } else if (head > 128) {
      const end = Math.min(to + 257 - head, length);
      out.fill(data[at++] ?? 0, to, end);
      to = end;
    }
  }
  return out.subarray(0, to);
}

const [CLEAR, END] = [256, 257] as const;
const CODES = 4_096;

/** LZW of TIFF 6.0: codes of 9 to 12 bits, highest bit first. The width increases one code early. */
function lzw(data: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  const prefix = new Uint16Array(CODES);
  const suffix = new Uint8Array(CODES);
  const sizes = new Uint16Array(CODES);
  for (let n = 0; n < 256; n++) [suffix[n], sizes[n]] = [n, 1];
  let [next, width, previous, to, buffer, bits] = [258, 9, -1, 0, 0, 0];
  /** Writes the string of a code, and returns its first byte. */
  const write = (code: number, at: number): number => {
    let one = code;
    for (let n = (sizes[code] as number) - 1; n > 0; n--) {
      if (at + n < length) out[at + n] = suffix[one] as number;
      one = prefix[one] as number;
    }
    if (at < length) out[at] = suffix[one] as number;
    return suffix[one] as number;
  };
  for (let at = 0; to < length; ) {
    while (bits < width && at < data.length) {
      buffer = ((buffer << 8) | (data[at++] as number)) & 0xffffff;
      bits += 8;
    }
    if (bits < width) break;
    const code = (buffer >> (bits - width)) & ((1 << width) - 1);
    bits -= width;
    if (code === END) break;
    if (code === CLEAR) {
      [next, width, previous] = [258, 9, -1];
      continue;
    }
    if (previous < 0) {
      if (code > 255) throw new RangeError('an LZW code that is not in the table');
      out[to++] = code;
      previous = code;
      continue;
    }
    if (code > next || code === 256) throw new RangeError('an LZW code that is not in the table');
    const known = code < next;
    const first = write(known ? code : previous, to);
    const size = (sizes[known ? code : previous] as number) + (known ? 0 : 1);
    if (!known && to + size - 1 < length) out[to + size - 1] = first;
    to += size;
    if (next < CODES) {
      prefix[next] = previous;
      suffix[next] = first;
      sizes[next] = (sizes[previous] as number) + 1;
      next++;
    }
    if (next + 1 >= 1 << width && width < 12) width++;
    previous = code;
  }
  return out.subarray(0, Math.min(to, length));
}
