import { isUtf8 } from 'node:buffer';
import { type ImageSource, sourceOfText } from '../image/source.ts';

/**
 * A path as text without loss: a byte that is not valid UTF-8 becomes the lone surrogate U+DC00 + byte, which valid text never
 * contains (Python's `surrogateescape`, PEP 383). So patterns, extensions and order work on paths of any bytes.
 */
export type Path = string;

const ESCAPED = /[\udc80-\udcff]/u; // with the u flag only lone surrogates match, not halves of a pair

export function pathOfBytes(bytes: Buffer): Path {
  if (isUtf8(bytes)) return bytes.toString();
  let path = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] as number);
    const sequence = bytes.subarray(at, at + length);
    const valid = sequence.length === length && isUtf8(sequence);
    path += valid ? sequence.toString() : String.fromCharCode(0xdc00 + (bytes[at] as number));
    at += valid ? length : 1;
  }
  return path;
}

/** The length of a UTF-8 sequence from its first byte (RFC 3629). A byte that cannot begin a sequence counts as one. */
function sequenceLength(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** The bytes of the path in the file system. */
export function bytesOfPath(path: Path): Buffer {
  if (!ESCAPED.test(path)) return Buffer.from(path);
  const pieces = path.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    pieces.map((piece, n) => (n % 2 === 0 ? Buffer.from(piece) : Buffer.of(piece.charCodeAt(0) - 0xdc00))),
  );
}

/** The path for node:fs: a string if no byte is lost, otherwise bytes. */
export function openable(path: Path): string | Buffer {
  return ESCAPED.test(path) ? bytesOfPath(path) : path;
}

export function sourceOf(path: Path): ImageSource {
  if (!ESCAPED.test(path)) return sourceOfText(path);
  const bytes = bytesOfPath(path);
  return { kind: 'file', name: bytes.toString(), path: bytes };
}

/** The path that {@link sourceOf} was given; for other sources the name (for a URL without its password). */
export function pathOf(source: ImageSource): Path {
  if (source.kind === 'url') return source.name;
  const bytes = source.kind === 'file' ? source.path : source.member?.pathBytes;
  return bytes === undefined || typeof bytes === 'string' ? source.name : pathOfBytes(Buffer.from(bytes));
}

/** The path as the user would write it. `..` and `./` stay, because after a link they mean something else. */
export function within(folder: Path, name: string): Path {
  return folder === '' || folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** Sorts paths by their bytes. JavaScript's own order, by UTF-16 units, is the same if there are no surrogates. */
export function sortByBytes(paths: Path[]): Path[] {
  if (!paths.some((path) => /[\ud800-\udfff]/.test(path))) return paths.sort();
  const keyed = paths.map((path) => ({ path, bytes: bytesOfPath(path) }));
  return keyed.sort((a, b) => Buffer.compare(a.bytes, b.bytes)).map(({ path }) => path);
}
