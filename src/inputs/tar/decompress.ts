import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';

/** The first bytes of compressed tars. */
const GZIP = Buffer.of(0x1f, 0x8b);
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
/** Compressions that are not supported, and the program for each. */
const OTHERS: readonly (readonly [start: Buffer, program: string])[] = [
  [Buffer.from('BZh'), 'bzip2'],
  [Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00), 'xz'],
  [Buffer.of(0x04, 0x22, 0x4d, 0x18), 'lz4'],
];

/** The compression of the tar is not supported. */
export class OtherCompression extends Error {
  override readonly name = 'OtherCompression';

  constructor(readonly program: string) {
    super(`it is compressed with ${program}`);
  }
}

/**
 * The bytes of a tar, decompressed if its first bytes are those of gzip or zstd. The name does not count, because compressed `.tar`
 * files are common.
 *
 * @throws OtherCompression, or the error of the decompressor or of the stream
 */
export async function* decompressed(stream: Readable): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    let start: Buffer = Buffer.alloc(0);
    while (start.length < 6) {
      const next = await chunks.next();
      if (next.done) break;
      start = Buffer.concat([start, next.value]);
    }
    const whole = joined(start, chunks);
    const other = OTHERS.find(([magic]) => start.subarray(0, magic.length).equals(magic));
    if (other !== undefined) throw new OtherCompression(other[1]);
    if (start.subarray(0, 2).equals(GZIP)) yield* through(whole, zlib.createGunzip());
    else if (start.subarray(0, 4).equals(ZSTD)) yield* zstd(whole);
    else yield* whole;
  } finally {
    stream.destroy();
  }
}

async function* joined(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* through(bytes: AsyncIterable<Buffer>, decompressor: zlib.Gunzip): AsyncGenerator<Buffer> {
  const fed = pipeline(bytes, decompressor);
  fed.catch(() => {}); // the decompressor also reports the error
  yield* decompressor;
  await fed;
}

/** Node's own since 22.15; before, a library in JavaScript. */
async function* zstd(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => zlib.Gunzip };
  if (createZstdDecompress !== undefined) return yield* through(bytes, createZstdDecompress());
  const { Decompress } = await import('fzstd');
  let ready: Uint8Array[] = [];
  const decompressor = new Decompress((chunk) => void ready.push(chunk));
  const take = () => {
    const taken = ready.map((chunk) => Buffer.from(chunk));
    ready = [];
    return taken;
  };
  for await (const chunk of bytes) {
    decompressor.push(chunk);
    yield* take();
  }
  decompressor.push(new Uint8Array(0), true);
  yield* take();
}
