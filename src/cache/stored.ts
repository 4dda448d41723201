import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isRecord } from '../checkpoint/safetensors.ts';
import { inputLines } from '../disk/input.ts';
import type { Embedded } from '../embed/encoder.ts';
import { fromHalf } from '../embed/half.ts';
import { type NpyShape, namesBeside, parseNpyHeader } from '../embed/npy.ts';
import { ImageError, messageOf, UsageError } from '../errors.ts';
import type { ImageIdentity } from '../image/source.ts';
import { type UnitRows, unitRows } from '../tensor.ts';
import { AGAIN, badRow, codeOf, notImages, requireDigest, unreadable } from './stored-rows.ts';

const MAX_COLUMNS = 65_536;

/** Opening a FIFO does not wait for its writer. Windows has no such flag. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The embeddings of images that `embed` wrote, row by row: a bad row is an error, not an exception.
 *
 * @param digest the digest of the model that will score them
 * @throws UsageError if the file cannot be read or is something else, ModelError if its rows are of another model
 */
export async function* storedEmbeddings(path: string, digest: string): AsyncGenerator<Embedded> {
  if (/\.npy$/iu.test(path)) yield* npyRows(path, digest);
  else yield* jsonRows(path, digest);
}

async function* jsonRows(path: string, digest: string): AsyncGenerator<Embedded> {
  let number = 0;
  let columns: number | undefined;
  for await (const line of linesOf(path)) {
    if (++number === 1) requireImages(parseJson(line), path);
    const row = parseRow(line, `${path}:${number}`);
    if (!row.ok) {
      yield row;
      continue;
    }
    requireDigest(row.fields, digest, path);
    const embedding = toUnitRow(row.fields['embedding'], columns);
    columns ??= embedding?.columns;
    yield embedding === undefined ? badRow(row.identity) : { ok: true, ...row.identity, embedding };
  }
}

async function* npyRows(path: string, digest: string): AsyncGenerator<Embedded> {
  const handle = await open(path, AT_ONCE).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    const { rows, columns, start, size } = await readShape(path, handle);
    const names = linesOf(namesBeside(path));
    const first = await names.next();
    const { kind, ...head } = first.done ? {} : parseJson(first.value);
    if (kind !== 'image') throw notImages(path, kind === 'text');
    requireDigest(head, digest, namesBeside(path));
    let [at, number] = [0, 1];
    for await (const line of names) {
      const row = parseRow(line, `${namesBeside(path)}:${++number}`);
      if (!row.ok) {
        yield row;
        continue;
      }
      if (row.fields['row'] !== at || at >= rows) throw unlike(path, rows);
      const bytes = Buffer.alloc(size * columns);
      await handle.read(bytes, 0, bytes.length, start + bytes.length * at++);
      const data = floatsOf(bytes, size);
      const embedding = unitRows({ rows: 1, columns, data });
      yield embedding === undefined ? badRow(row.identity) : { ok: true, ...row.identity, embedding };
    }
    if (at !== rows) throw unlike(path, rows);
  } finally {
    await handle.close();
  }
}

async function readShape(path: string, handle: FileHandle): Promise<NpyShape> {
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new TypeError('it is not a regular file');
    const start = Buffer.alloc(10 + 65_535);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    const shape = parseNpyHeader(start.subarray(0, Math.max(bytesRead, 10)));
    const wanted = shape.start + shape.size * shape.rows * shape.columns;
    if (shape.columns > MAX_COLUMNS) throw new TypeError(`its rows have ${shape.columns} columns`);
    if (info.size !== wanted) throw new TypeError(`it has ${info.size} bytes, but its header says ${wanted}`);
    return shape;
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @param bytes little-endian numbers @param size bytes of each */
function floatsOf(bytes: Buffer, size: 2 | 4): Float32Array {
  const count = bytes.length / size;
  const read = (n: number) => (size === 4 ? bytes.readFloatLE(4 * n) : fromHalf(bytes.readUInt16LE(2 * n)));
  return Float32Array.from({ length: count }, (_, n) => read(n));
}

/** A row of JSON. An image without embedding becomes an error row again. */
type Row =
  | Extract<Embedded, { ok: false }>
  | { readonly ok: true; readonly identity: ImageIdentity; readonly fields: Readonly<Record<string, unknown>> };

function parseRow(line: string, where: string): Row {
  const fields = parseJson(line);
  const { image, error, path_b64: path } = fields;
  if (typeof image !== 'string') return badRow({ image: where });
  const identity = { image, ...(typeof path === 'string' && { pathBytes: Buffer.from(path, 'base64') }) };
  if (!isRecord(error)) return { ok: true, identity, fields };
  return { ok: false, ...identity, error: new ImageError(codeOf(error['code']), messageOf(error['message']), AGAIN) };
}

function parseJson(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function toUnitRow(value: unknown, columns: number | undefined): UnitRows | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_COLUMNS) return undefined;
  if ((columns ?? value.length) !== value.length || !value.every((one) => typeof one === 'number')) return undefined;
  return unitRows({ rows: 1, columns: value.length, data: Float32Array.from(value) });
}

/** Checks the first line of a .jsonl file. @throws UsageError */
function requireImages({ image, text }: Readonly<Record<string, unknown>>, path: string): void {
  if (typeof image !== 'string') throw notImages(path, typeof text === 'string');
}

function unlike(path: string, rows: number): UsageError {
  return new UsageError(`${path} has ${rows} rows, but ${namesBeside(path)} has other rows`, 'embed the images again');
}

/** @throws UsageError if the file cannot be read, or a line is longer than any row */
async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    for await (const line of inputLines(path)) if (line.trim() !== '') yield line;
  } catch (error) {
    throw unreadable(path, error);
  }
}
