import { dirname, isAbsolute } from 'node:path';
import { CsvError, type Options, parse } from 'csv-parse';
import { openInput } from '../../disk/input.ts';
import { messageOf, oneLine, UsageError } from '../../errors.ts';
import type { ImageSource } from '../../image/source.ts';
import { isUrl } from '../../image/url.ts';

/** An image, and what it truly shows. */
export interface LabelledImage {
  readonly source: ImageSource;
  readonly label: string;
  /** The path below the folder, or as the CSV has it: the same wherever the data lie. */
  readonly key: string;
}

/** Longer records are a quote that is never closed. */
const CSV: Options = { bom: true, skip_empty_lines: true, max_record_size: 1_000_000, info: true };

/** @throws UsageError with the line, if the file is no such CSV */
export async function* csvImages(file: string): AsyncGenerator<LabelledImage> {
  const folder = dirname(file) === '.' && !file.startsWith('./') ? '' : `${dirname(file)}/`.replace('//', '/');
  const parser = parse(CSV);
  const bytes = await openInput(file).catch((error: unknown) => {
    throw unreadable(file, 'cannot be read', error);
  });
  bytes.on('error', (error) => parser.destroy(error));
  let columns: { readonly path: number; readonly label: number } | undefined;
  try {
    for await (const { record, info } of bytes.pipe(parser) as AsyncIterable<CsvRecord>) {
      if (columns === undefined) {
        columns = findColumns(record, file);
        continue;
      }
      const [key, label] = [record[columns.path] ?? '', (record[columns.label] ?? '').trim()];
      if (key === '' || label === '')
        throw new UsageError(
          `line ${info.lines} of ${file} has no ${key === '' ? 'path' : 'label'}`,
          'add the missing value',
        );
      yield { source: isAbsolute(key) || isUrl(key) ? key : folder + key, label, key };
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

function findColumns(header: readonly string[], file: string): { path: number; label: number } {
  const names = header.map((name) => name.trim().toLowerCase());
  const [path, label] = [names.indexOf('path'), names.indexOf('label')];
  if (path >= 0 && label >= 0) return { path, label };
  throw new UsageError(
    `the header of ${file} is "${oneLine(header.join(','))}"`,
    'the header must have the columns path and label',
  );
}
