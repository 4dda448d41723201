import { readFile, writeFile } from 'node:fs/promises';
import { fixture } from '../paths.ts';

/** Names in real folders that cause errors in programs; `\xHH` stands for a byte. */
export const ODD_NAMES = [
  'new\nline.png',
  'tab\t.png',
  `quotes"'.png`,
  'com,ma.png',
  '-l.png',
  '[0].png',
  'caf\u00e9.png', // composed (NFC)
  'cafe\u0301.png', // decomposed (NFD)
  '\u{1f408}.png',
  '\u{ffee}\u{1f408}.png', // by UTF-16 units it sorts before the one above, by bytes after it
  `${'x'.repeat(251)}.png`, // 255 bytes
  '\\xff.png',
  'a\\xc3(.png', // the first byte of two, without the second
  '\\xed\\xa0\\x80.png', // a surrogate, as UTF-8 forbids it
].map(bytesOf);

function bytesOf(text: string): Buffer {
  return Buffer.concat(
    text
      .split(/(\\x[0-9a-f]{2})/)
      .map((piece) => (piece.startsWith('\\x') ? Buffer.from(piece.slice(2), 'hex') : Buffer.from(piece))),
  );
}

/** A copy of one small image under each odd name. @returns their paths, in byte order */
export async function writeOddNames(folder: string): Promise<Buffer[]> {
  const image = await readFile(fixture('images/rgb.png'));
  const paths = ODD_NAMES.map((name) => Buffer.concat([Buffer.from(`${folder}/`), name])).sort(Buffer.compare);
  for (const path of paths) await writeFile(path, image);
  return paths;
}

/** The bytes of the path of a row. */
export function rowPath(row: { image: string; path_b64?: string }): Buffer {
  return row.path_b64 === undefined ? Buffer.from(row.image) : Buffer.from(row.path_b64, 'base64');
}
