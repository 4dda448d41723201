import { TextDecoder } from 'node:util';

/**
 * The text of a file: UTF-8, or UTF-16 with a byte-order mark, as on Windows. The mark is removed.
 *
 * @throws TypeError if the bytes are not such a text
 */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
}

/** Whether bytes begin with the byte-order mark of UTF-16. */
export function isUtf16(start: Uint8Array): boolean {
  return encodingOf(start) !== 'utf-8';
}

function encodingOf(start: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  return start[0] === 0xfe && start[1] === 0xff ? 'utf-16be' : 'utf-8';
}

/** The chunks of a stream as UTF-8. Only UTF-16 with a byte-order mark is converted; other bytes are unchanged. */
export async function* asUtf8(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let start: Buffer | undefined = Buffer.alloc(0);
  let decoder: TextDecoder | undefined;
  for await (const chunk of stream) {
    let bytes: Buffer = chunk;
    if (start !== undefined) {
      bytes = Buffer.concat([start, chunk]);
      start = bytes.length < 2 ? bytes : undefined;
      if (start !== undefined) continue;
      const encoding = encodingOf(bytes);
      if (encoding !== 'utf-8') decoder = new TextDecoder(encoding, { fatal: true });
    }
    yield decoder === undefined ? bytes : Buffer.from(decoder.decode(bytes, { stream: true }));
  }
  if (start !== undefined && start.length > 0) yield start;
}

/** How the columns of a table are separated, and where its header begins. */
export interface Delimiter {
  readonly delimiter: ',' | ';' | '\t';
  /** Characters before the header: the line sep=; that Excel writes for itself. */
  readonly skip: number;
}

/** Finds the delimiter from the first line. Spreadsheets write semicolons or tabs in countries with a decimal comma. */
export function delimiterOf(text: string): Delimiter {
  const declared = /^\ufeff?"?sep=([,;\t])"?\r?\n/iu.exec(text);
  if (declared !== null) return { delimiter: declared[1] as Delimiter['delimiter'], skip: declared[0].length }; // one of the three
  const [header = ''] = text.split(/[\r\n]/u, 1);
  if (header.includes(',')) return { delimiter: ',', skip: 0 };
  return { delimiter: header.includes(';') ? ';' : header.includes('\t') ? '\t' : ',', skip: 0 };
}
