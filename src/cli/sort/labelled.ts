import { inputLines, LARGEST_JSON, readInputText } from '../../disk/input.ts';
import { messageOf, UsageError } from '../../errors.ts';
import { pathOfBytes, sourceOf } from '../../inputs/path.ts';

/** A row of classify: a picture and its label. */
export interface Row {
  readonly image: string;
  /** null if no label was accepted; undefined if the picture failed */
  readonly label: string | null | undefined;
}

const NEXT_STEP = 'give a .jsonl or .json file that clip-classify wrote';

/**
 * The rows that `classify` wrote.
 *
 * @throws UsageError if the file cannot be read or has other content
 */
export async function readRows(file: string): Promise<Row[]> {
  try {
    const rows: Row[] = [];
    if (/\.json$/iu.test(file)) {
      const { results } = Object(JSON.parse(await readInputText(file, LARGEST_JSON)));
      if (!Array.isArray(results)) throw new TypeError('it has no list of results');
      for (const [n, row] of results.entries()) rows.push(toRow(row, n + 1));
      return rows;
    }
    let number = 0;
    for await (const line of inputLines(file)) {
      number++;
      if (line.trim() !== '') rows.push(toRow(JSON.parse(line), number));
    }
    return rows;
  } catch (error) {
    throw new UsageError(`cannot read the rows of ${file}: ${messageOf(error)}`, NEXT_STEP, error);
  }
}

function toRow(value: unknown, number: number): Row {
  const { image, label, error, path_b64: bytes } = Object(value);
  if (typeof image !== 'string') throw new TypeError(`row ${number} does not name an image`);
  const path = typeof bytes === 'string' ? pathOfBytes(Buffer.from(bytes, 'base64')) : image;
  if (error !== undefined || sourceOf(path).kind === 'url') return { image: path, label: undefined };
  if (label !== null && typeof label !== 'string') throw new TypeError(`row ${number} has no label`);
  return { image: path, label };
}
