import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isRecord } from '../checkpoint/safetensors.ts';
import { openInput } from '../disk/input.ts';
import type { Embedded } from '../embed/encoder.ts';
import { type NpyShape, namesBeside, parseNpyHeader } from '../embed/npy.ts';
import { ClipError, ImageError, type ImageErrorCode, ModelError, messageOf, UsageError } from '../errors.ts';
import type { ImageIdentity } from '../image/source.ts';
import { type UnitRows, unitRows } from '../tensor.ts';

/** Longer lines are no rows: a name and 4,096 numbers take a tenth of it (CWE-770). */
const MAX_LINE = 1_000_000;
const MAX_COLUMNS = 65_536;

/** Opening a FIFO does not wait for its writer. Windows has no such flag. */
const AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The embeddings of images that `embed` wrote, row by row: a bad row is an error, not an exception.
 *
 * @param digest of the model that is to score them
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
    const { rows, columns, start } = await readShape(path, handle);
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
      const data = new Float32Array(columns);
      await handle.read(Buffer.from(data.buffer), 0, 4 * columns, start + 4 * columns * at++);
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
    if (!info.isFile()) throw new TypeError('it is no file');
    const start = Buffer.alloc(10 + 65_535);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    const shape = parseNpyHeader(start.subarray(0, Math.max(bytesRead, 10)));
    const { size } = info;
    const wanted = shape.start + 4 * shape.rows * shape.columns;
    if (shape.columns > MAX_COLUMNS) throw new TypeError(`its rows have ${shape.columns} columns`);
    if (size !== wanted) throw new TypeError(`it has ${size} bytes, but its header says ${wanted}`);
    return shape;
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** A row as JSON has it: an image that had no embedding is an error again. */
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

const AGAIN = 'embed the image again';
const CODES: readonly ImageErrorCode[] = [
  'E_NOT_FOUND',
  'E_UNREADABLE',
  'E_FORMAT',
  'E_DECODE',
  'E_PIXEL_LIMIT',
  'E_FILE_SIZE',
  'E_TIMEOUT',
  'E_CRASH',
  'E_URL',
];

function codeOf(value: unknown): ImageErrorCode {
  return CODES.find((code) => code === value) ?? 'E_DECODE';
}

function badRow(identity: ImageIdentity): Extract<Embedded, { ok: false }> {
  const { image } = identity;
  return { ok: false, ...identity, error: new ImageError('E_DECODE', `${image} has no unit-length embedding`, AGAIN) };
}

function toUnitRow(value: unknown, columns: number | undefined): UnitRows | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_COLUMNS) return undefined;
  if ((columns ?? value.length) !== value.length || !value.every((one) => typeof one === 'number')) return undefined;
  return unitRows({ rows: 1, columns: value.length, data: Float32Array.from(value) });
}

function requireDigest(fields: Readonly<Record<string, unknown>>, digest: string, path: string): void {
  const { digest: own, model } = fields;
  if (own === digest) return;
  if (typeof own !== 'string') throw new UsageError(`${path} does not name the model of its embeddings`, EMBED);
  throw new ModelError(
    `the embeddings in ${path} come from another model (${typeof model === 'string' ? `${model}, ` : ''}${own.slice(0, 12)})`,
    `use that model, or embed the images again (this model is ${digest.slice(0, 12)})`,
  );
}

const EMBED = 'use a .npy or .jsonl file that clip-classify embed wrote for images';

/** The first line of a .jsonl tells whether it is one. @throws UsageError */
function requireImages({ image, text }: Readonly<Record<string, unknown>>, path: string): void {
  if (typeof image !== 'string') throw notImages(path, typeof text === 'string');
}

function notImages(path: string, isTexts: boolean): UsageError {
  return new UsageError(`${path} contains ${isTexts ? 'embeddings of texts' : 'no embeddings of images'}`, EMBED);
}

function unlike(path: string, rows: number): UsageError {
  return new UsageError(`${path} has ${rows} rows, but ${namesBeside(path)} has other rows`, 'embed the images again');
}

function unreadable(path: string, error: unknown): ClipError {
  return error instanceof ClipError ? error : new UsageError(`cannot use ${path}: ${messageOf(error)}`, EMBED, error);
}

/** @throws UsageError if the file cannot be read, or a line is longer than any row */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  try {
    const stream = (await openInput(path)).setEncoding('utf8');
    for await (const chunk of stream) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield line;
      if (rest.length > MAX_LINE) throw new TypeError(`one line has more than ${MAX_LINE} characters`);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  if (rest.trim() !== '') yield rest;
}
