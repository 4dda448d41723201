/*
 * NumPy's format 1.0 (numpy/lib/format.py): magic, version 1.0, the length of a header, the header (a Python dict, filled up with
 * spaces so that the numbers begin at a multiple of 64), then the numbers, little-endian, row after row.
 */

/** Bytes before the numbers. There is room for any number of rows, so that the header can be overwritten. */
export const NPY_START = 128;
const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** The shape of a file of float32 or float16. */
export interface NpyShape {
  readonly rows: number;
  readonly columns: number;
  /** Where the numbers begin, in bytes. */
  readonly start: number;
  /** Bytes of a number. */
  readonly size: 2 | 4;
}

/** The name of the file next to a .npy file that names its rows. */
export const namesBeside = (npy: string) => `${npy}.jsonl`;

/** @param type of the numbers: float32 or float16 @returns {@link NPY_START} bytes */
export function npyHeader(rows: number, columns: number, type: '<f4' | '<f2' = '<f4'): Buffer {
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(NPY_START - MAGIC.length - 2);
  return Buffer.concat([MAGIC, length, Buffer.from(`${dict.padEnd(NPY_START - MAGIC.length - 3)}\n`)]);
}

/**
 * Reads the header of any .npy file.
 *
 * @param start the first bytes of the file: ten, and the length of the header (65,535 at most)
 * @throws TypeError saying what is wrong with the header
 */
export function parseNpyHeader(start: Buffer): NpyShape {
  if (!start.subarray(0, 6).equals(MAGIC.subarray(0, 6))) throw new TypeError('it does not start like a .npy file');
  if (start[6] !== 1) throw new TypeError(`its format is ${start[6]}.${start[7]}, not 1.0`);
  const end = 10 + start.readUInt16LE(8);
  if (start.length < end) throw new TypeError('its header is incomplete');
  const dict = start.toString('latin1', 10, end);
  const type = /'descr': *'([^']*)'/u.exec(dict)?.[1];
  if (type !== '<f4' && type !== '<f2')
    throw new TypeError(`its data type is ${type}, neither float32 (<f4) nor float16 (<f2)`);
  const [, rows, columns] = /'shape': *\((\d{1,15}), *(\d{1,9}),? *\)/u.exec(dict) ?? [];
  if (!/'fortran_order': *False/u.test(dict) || rows === undefined)
    throw new TypeError('it is not a two-dimensional array in row order');
  return { rows: Number(rows), columns: Number(columns), start: end, size: type === '<f4' ? 4 : 2 };
}
