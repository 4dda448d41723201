import { dirname, extname, isAbsolute } from 'node:path';
import { Readable } from 'node:stream';
import { CsvError, type Options, parse } from 'csv-parse';
import { exists } from '../../disk/exists.ts';
import { openInput } from '../../disk/input.ts';
import { asUtf8, type Delimiter, delimiterOf } from '../../disk/text.ts';
import { messageOf, oneLine, UsageError } from '../../errors.ts';
import { type ImageSource, sourceOfText } from '../../image/source.ts';

/** An image and its true label. */
export interface LabelledImage {
  readonly source: ImageSource;
  readonly label: string;
  /** The path relative to the folder, or the path in the CSV. It stays the same if the data are moved. */
  readonly key: string;
  /** Its line in the CSV. */
  readonly line?: number;
}

/** The names of the columns of the CSV. */
export interface TruthColumns {
  /** @default path */
  readonly imageColumn?: string | undefined;
  /** @default label */
  readonly labelColumn?: string | undefined;
}

/** Extensions that are tried for ids without one, as in Kaggle's tables. */
const EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.JPG', '.JPEG', '.PNG'] as const;

/** The longest header of a table, in bytes. */
const HEADER_BYTES = 65_536;

/** The longest record, in bytes. A longer one is a sign of a quote that is never closed. */
const CSV: Options = { bom: true, skip_empty_lines: true, max_record_size: 1_000_000, info: true };

/** @throws UsageError with the line number if the file is not such a CSV */
export async function* csvImages(file: string, names: TruthColumns = {}): AsyncGenerator<LabelledImage> {
  const folder = dirname(file) === '.' && !file.startsWith('./') ? '' : `${dirname(file)}/`.replace('//', '/');
  const bytes = await openInput(file).catch((error: unknown) => {
    throw unreadable(file, 'cannot be read', error);
  });
  const text = Readable.from(asUtf8(bytes));
  const { delimiter, skip, rest } = await withDelimiter(text).catch((error: unknown) => {
    throw unreadable(file, 'cannot be read', error);
  });
  const parser = parse({ ...CSV, delimiter });
  const rows = Readable.from(skipping(rest, skip)).on('error', (error) => parser.destroy(error));
  let columns: { readonly path: number; readonly label: number } | undefined;
  try {
    for await (const { record, info } of rows.pipe(parser) as AsyncIterable<CsvRecord>) {
      if (columns === undefined) {
        columns = findColumns(record, file, names);
        continue;
      }
      const [key, label] = [record[columns.path] ?? '', (record[columns.label] ?? '').trim()];
      if (key === '' || label === '')
        throw new UsageError(
          `line ${info.lines} of ${file} has no ${key === '' ? 'path' : 'label'}`,
          'add the missing value',
        );
      const given = sourceOfText(key);
      const source =
        given.kind === 'url' ? given : sourceOfText(await withExtension(isAbsolute(key) ? key : folder + key));
      yield { source, label, key, line: info.lines };
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw unreadable(file, error instanceof CsvError ? 'is not a valid CSV file (RFC 4180)' : 'cannot be read', error);
  } finally {
    bytes.destroy();
  }
}

function unreadable(file: string, what: string, error: unknown): UsageError {
  return new UsageError(
    `${file} ${what}: ${messageOf(error)}`,
    'use a CSV file with the columns path and label',
    error,
  );
}

/** What csv-parse gives with `info`. */
interface CsvRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Finds the delimiter in the first chunk. The returned chunks include the first one. */
async function withDelimiter(text: Readable): Promise<Delimiter & { readonly rest: AsyncIterable<Buffer> }> {
  const chunks = text[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let start = Buffer.alloc(0);
  while (start.length < HEADER_BYTES && !start.includes(10, start.indexOf(10) + 1)) {
    const next = await chunks.next();
    if (next.done) break;
    start = Buffer.concat([start, next.value]);
  }
  const found = delimiterOf(start.toString());
  const rest = (async function* () {
    yield start;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  })();
  return { ...found, rest };
}

async function* skipping(chunks: AsyncIterable<Buffer>, characters: number): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of chunks) {
    yield isFirst ? Buffer.from(chunk.toString().slice(characters)) : chunk;
    isFirst = false;
  }
}

/** The path of the picture for an id without extension, if there is such a picture. */
async function withExtension(path: string): Promise<string> {
  if (extname(path) !== '' || (await exists(path))) return path;
  for (const extension of EXTENSIONS) if (await exists(path + extension)) return path + extension;
  return path;
}

function findColumns(
  header: readonly string[],
  file: string,
  { imageColumn = 'path', labelColumn = 'label' }: TruthColumns,
): { path: number; label: number } {
  const names = header.map((name) => name.trim().toLowerCase());
  const [path, label] = [imageColumn, labelColumn].map((name) => names.indexOf(name.trim().toLowerCase())) as [
    number,
    number,
  ];
  if (path >= 0 && label >= 0) return { path, label };
  throw new UsageError(
    `the header of ${file} is "${oneLine(header.join(','))}"`,
    `the header must have the columns ${imageColumn} and ${labelColumn}; --image-column and --label-column name others`,
  );
}
