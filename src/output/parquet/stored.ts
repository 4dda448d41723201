import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type StructRowProxy, tableFromIPC, type Vector } from 'apache-arrow';
import { ParquetFile } from 'parquet-wasm/esm';
import { AGAIN, badRow, codeOf, notImages, requireDigest, unreadable } from '../../cache/stored-rows.ts';
import type { Embedded } from '../../embed/encoder.ts';
import { fromHalf } from '../../embed/half.ts';
import { ImageError, messageOf, UsageError } from '../../errors.ts';
import type { ImageIdentity } from '../../image/source.ts';
import { unitRows } from '../../tensor.ts';
import { loadParquet } from '../parquet-library.ts';

const COLUMNS = ['image', 'embedding', 'error', 'page', 'path_b64'] as const;

/**
 * The embeddings of images in a Parquet file that `embed` wrote, row by row; one group of rows is in memory. A bad row is an
 * error, not an exception.
 *
 * @param digest of the model that is to score them
 * @throws UsageError if the file cannot be read or is something else, ModelError if its rows are of another model
 */
export async function* storedParquet(path: string, digest: string): AsyncGenerator<Embedded> {
  const file = await opened(path);
  try {
    const about = Object.fromEntries(file.metadata().fileMetadata().keyValueMetadata()) as Record<string, unknown>;
    if (about['clip_classify.schema'] !== 'embed/1') throw notImages(path, false);
    if (about['clip_classify.kind'] !== 'image') throw notImages(path, true);
    requireDigest({ digest: about['clip_classify.digest'], model: about['clip_classify.model'] }, digest, path);
    for (let group = 0; group < file.metadata().numRowGroups(); group++) yield* rowsOf(path, file, group);
  } finally {
    file.free();
  }
}

async function opened(path: string): Promise<ParquetFile> {
  try {
    if (!(await stat(path)).isFile()) throw new TypeError('it is not a regular file');
    await loadParquet();
    return await ParquetFile.fromFile(await openAsBlob(path));
  } catch (error) {
    throw unreadable(path, error);
  }
}

type Columns = Readonly<Record<(typeof COLUMNS)[number], Vector | null>>;

/** @throws UsageError if the group is damaged */
async function* rowsOf(path: string, file: ParquetFile, group: number): AsyncGenerator<Embedded> {
  let rows: number;
  let columns: Columns;
  try {
    const read = await file.read({ rowGroups: [group], columns: [...COLUMNS] });
    const table = tableFromIPC(read.intoIPCStream());
    rows = table.numRows;
    columns = Object.fromEntries(COLUMNS.map((name) => [name, table.getChild(name)])) as Columns;
  } catch (error) {
    throw unreadable(path, error);
  }
  if (columns.image === null || columns.embedding === null)
    throw unreadable(path, new UsageError(`${path} has no column image or embedding`, AGAIN));
  for (let n = 0; n < rows; n++) yield rowAt(columns, n, `${path}:${n + 1}`);
}

function rowAt({ image, embedding, error, page, path_b64: path }: Columns, n: number, where: string): Embedded {
  const [name, itsPage, itsPath] = [image, page, path].map((column): unknown => column?.get(n));
  if (typeof name !== 'string') return badRow({ image: where });
  const identity: ImageIdentity = {
    image: name,
    ...(typeof itsPage === 'number' && { page: itsPage }),
    ...(typeof itsPath === 'string' && { pathBytes: Buffer.from(itsPath, 'base64') }),
  };
  const failure = error?.get(n) as StructRowProxy | null | undefined;
  if (failure) {
    const { code, message } = failure.toJSON() as Readonly<Record<string, unknown>>;
    return { ok: false, ...identity, error: new ImageError(codeOf(code), messageOf(message), AGAIN) };
  }
  const data = numbersOf(embedding?.get(n) as Vector | null);
  const row = data && unitRows({ rows: 1, columns: data.length, data });
  return row ? { ok: true, ...identity, embedding: row } : badRow(identity);
}

function numbersOf(list: Vector | null): Float32Array | undefined {
  if (list === null || list.length === 0) return undefined;
  const numbers: unknown = list.toArray();
  if (numbers instanceof Uint16Array) return Float32Array.from(numbers, fromHalf); // as Arrow holds float16
  return numbers instanceof Float32Array ? numbers.slice() : undefined;
}
