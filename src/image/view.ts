import type { FileHandle } from 'node:fs/promises';

/** Numbers at positions: of bytes in memory, or of a file of which only pieces are read. */
export type View = DataView | PiecewiseView;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A part of a view, where offsets count from its start. @throws RangeError if it does not lie inside */
export function partOf(view: View, start: number, length: number = view.byteLength - start): View {
  return view instanceof PiecewiseView
    ? view.part(start, length)
    : new DataView(view.buffer, view.byteOffset + start, length);
}

const PIECE = 65_536;
/** Bytes of the longest number. Each piece is this much longer, so that it contains a number that begins at its end. */
const OVERLAP = 8;
/** The most pieces that are read of a file. */
const MAX_PIECES = 64;

/** A piece that has not been read yet. */
class MissingPiece extends Error {
  constructor(readonly piece: number) {
    super(`piece ${piece} has not been read`);
  }
}

/** A file of which only the needed pieces are read; see {@link inPieces}. */
export class PiecewiseView {
  constructor(
    readonly byteLength: number,
    private readonly pieces: ReadonlyMap<number, DataView>,
    private readonly start = 0,
  ) {}

  part(start: number, length: number): PiecewiseView {
    if (!(start >= 0 && length >= 0 && start + length <= this.byteLength)) throw new RangeError('outside the file');
    return new PiecewiseView(length, this.pieces, this.start + start);
  }

  getUint8 = (at: number) => this.read(at, 1, (view, n) => view.getUint8(n));
  getInt8 = (at: number) => this.read(at, 1, (view, n) => view.getInt8(n));
  getUint16 = (at: number, le?: boolean) => this.read(at, 2, (view, n) => view.getUint16(n, le));
  getInt16 = (at: number, le?: boolean) => this.read(at, 2, (view, n) => view.getInt16(n, le));
  getUint32 = (at: number, le?: boolean) => this.read(at, 4, (view, n) => view.getUint32(n, le));
  getInt32 = (at: number, le?: boolean) => this.read(at, 4, (view, n) => view.getInt32(n, le));
  getFloat32 = (at: number, le?: boolean) => this.read(at, 4, (view, n) => view.getFloat32(n, le));
  getFloat64 = (at: number, le?: boolean) => this.read(at, 8, (view, n) => view.getFloat64(n, le));
  getBigInt64 = (at: number, le?: boolean) => this.read(at, 8, (view, n) => view.getBigInt64(n, le));
  getBigUint64 = (at: number, le?: boolean) => this.read(at, 8, (view, n) => view.getBigUint64(n, le));

  private read<T>(at: number, size: number, get: (view: DataView, n: number) => T): T {
    if (!(at >= 0 && at + size <= this.byteLength)) throw new RangeError('outside the file');
    const position = this.start + at;
    const piece = Math.floor(position / PIECE);
    const view = this.pieces.get(piece);
    if (view === undefined) throw new MissingPiece(piece);
    return get(view, position - piece * PIECE);
  }
}

/**
 * What `look` finds in a file. `look` is called again each time a piece that it needs has been read.
 *
 * @returns undefined if it needs more than {@link MAX_PIECES}
 */
export async function inPieces<T>(
  file: FileHandle,
  size: number,
  look: (view: PiecewiseView) => T,
): Promise<T | undefined> {
  const pieces = new Map<number, DataView>();
  const view = new PiecewiseView(size, pieces);
  while (pieces.size <= MAX_PIECES) {
    try {
      return look(view);
    } catch (error) {
      if (!(error instanceof MissingPiece)) throw error;
      pieces.set(error.piece, viewOf(await readAt(file, error.piece * PIECE, PIECE + OVERLAP)));
    }
  }
  return undefined;
}

/** The bytes at a position; fewer at the end of the file. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
