import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Embedded, ImageEncoder, Phase, Recall } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { SmallFileReader } from '../image/small-file.ts';
import { type ImageSource, identityOf, readSource } from '../image/source.ts';
import { PROVIDERS, type Provider } from '../model/choices.ts';
import type { UnitRows } from '../tensor.ts';
import type { EmbeddingCache } from './cache.ts';
import { decodingOf, stamper, stampKey } from './stamp.ts';
import type { EmbeddingStore } from './store.ts';

/** Files read at once by Node's four threads. */
const READERS = 4;
/** Files read at once if a disk may not answer. A read that never ends keeps one of the 64 threads of such a run. */
const WARY_READERS = 32;
/** If this many calls of stat take longer than these milliseconds on average, other threads read the next files. */
const [STATS, SLOW_MS] = [64, 5];
/** How many files other threads read then, before this thread tries again. Each further time they are twice as many. */
const FIRST_PAUSE = 1024;
/** The bytes of a larger file are not sent to the encoder, which reads the file again. */
const LARGE_BYTES = 16_000_000;

/**
 * Encodes each image once: if this model has encoded the same bytes with the same options before, the embedding comes from disk. If
 * all do, the image graph is not opened. A file with unchanged size, inode and times is not read.
 *
 * An embedding is stored together with the pixel limit of its run. If the limit is now lower, the image is checked again.
 */
export class CachedImages implements ImageEncoder {
  private readonly reading: LimitFunction;
  private readonly smallFiles = new SmallFileReader();
  private store: Promise<EmbeddingStore | undefined> | undefined;
  private encodes = false;
  private lastProvider: Provider | undefined;

  /** @param readingSeconds seconds that reading a file may take, if it may be on a disk that does not answer */
  constructor(
    private readonly encoder: ImageEncoder,
    private readonly cache: EmbeddingCache,
    private readonly readingSeconds?: number,
  ) {
    this.reading = pLimit(readingSeconds === undefined ? READERS : WARY_READERS);
  }

  /** The provider of the images, or the one that encoded them if all come from disk. */
  async provider(): Promise<Provider> {
    return this.encodes ? this.encoder.provider() : (this.lastProvider ?? this.encoder.provider());
  }

  async encode(source: ImageSource, options: DecodeOptions, onPhase?: (phase: Phase) => void): Promise<Embedded> {
    this.store ??= this.cache.open('images', { wait: true });
    const store = await this.store;
    const identity = identityOf(source);
    const inTime = <T>(work: Promise<T>) => within(this.readingSeconds, identity.image, work);
    try {
      const stamp = await this.reading(async () => inTime(Promise.resolve(stampOf(source, options))));
      const known = stamp && this.lookUp(store, stamp, options);
      if (known) return { ok: true, ...identity, embedding: known };
      const small =
        this.readingSeconds === undefined && source.kind === 'file' ? this.smallFiles.read(source.path) : undefined;
      const { key, bytes } = small
        ? { key: keyOf(small, options), bytes: small }
        : await this.reading(() => inTime(read(source, options)));
      const stored = this.lookUp(store, key, options);
      if (stored !== undefined) {
        if (stamp) await this.keepStamp(store, stamp, source, options, stored);
        return { ok: true, ...identity, embedding: stored };
      }
      this.encodes = true;
      // The reader of small files will use its buffer again.
      const given: ImageSource = bytes
        ? { kind: 'bytes', name: source.name, bytes: small ? Uint8Array.from(small) : bytes }
        : source;
      const result = { ...(await this.encoder.encode(given, options, onPhase)), ...identity };
      if (result.ok && store !== undefined && (bytes ?? (await isStill(key, source, options)))) {
        const provider = PROVIDERS.indexOf(await this.encoder.provider());
        store.put({ key, embedding: result.embedding, notes: [options.maxPixels, provider] });
        if (stamp) await this.keepStamp(store, stamp, source, options, result.embedding);
      }
      return result;
    } catch (error) {
      if (error instanceof ImageError) return { ok: false, ...identity, error };
      throw error;
    }
  }

  /** Absent for files on a disk that may not answer, because this thread would wait for the disk. */
  async recall(options: DecodeOptions): Promise<Recall | undefined> {
    if (this.readingSeconds !== undefined) return undefined;
    this.store ??= this.cache.open('images', { wait: true });
    const store = await this.store;
    const stampOfFile = stamper(options);
    const paced = pacer();
    return (source) => {
      if (source.kind !== 'file') return undefined;
      const stamp = paced(() => stampOfFile(source.path));
      const embedding = stamp && this.lookUp(store, stamp, options);
      return embedding && { ok: true, ...identityOf(source), embedding };
    };
  }

  private lookUp(store: EmbeddingStore | undefined, key: Buffer, { maxPixels }: DecodeOptions): UnitRows | undefined {
    const stored = store?.get(key);
    if (stored === undefined || stored.notes[0] > maxPixels) return undefined;
    const provider = PROVIDERS[stored.notes[1]];
    this.lastProvider = provider === 'auto' ? undefined : provider;
    return stored.embedding;
  }

  /** The next run knows the file without reading it, unless the file changed while it was read. */
  private async keepStamp(
    store: EmbeddingStore | undefined,
    stamp: Buffer,
    source: ImageSource,
    options: DecodeOptions,
    embedding: UnitRows,
  ): Promise<void> {
    const after = await stampOf(source, options);
    if (!after?.equals(stamp)) return;
    const provider = PROVIDERS.indexOf(await this.provider());
    store?.put({ key: stamp, embedding, notes: [options.maxPixels, provider] });
  }

  async release(): Promise<void> {
    await this.encoder.release();
    await (await this.store)?.close();
  }
}

/** Runs calls that may wait for a disk in this thread. While they are slow, it returns undefined instead. */
function pacer(): <T>(call: () => T) => T | undefined {
  let [calls, spent, pause, left] = [0, 0, FIRST_PAUSE, 0];
  return (call) => {
    if (left > 0) {
      left--;
      return undefined;
    }
    const start = performance.now();
    const result = call();
    spent += performance.now() - start;
    if (++calls % STATS === 0) {
      if (spent > STATS * SLOW_MS) {
        left = pause;
        pause *= 2;
      }
      spent = 0;
    }
    return result;
  };
}

/** @throws ImageError if it takes longer; the work continues, because a read that waits for a disk cannot be cancelled */
async function within<T>(seconds: number | undefined, name: string, work: Promise<T>): Promise<T> {
  if (seconds === undefined) return work;
  const gone = new AbortController();
  const late = sleep(seconds * 1000, undefined, { signal: gone.signal }).then(() => {
    throw new ImageError('E_TIMEOUT', `${name} timed out after ${seconds} s`, 'check its disk, or remove this image');
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    gone.abort();
    late.catch(() => {});
  }
}

/** @returns the key of an image and, if the file is not large, its bytes */
async function read(source: ImageSource, options: DecodeOptions): Promise<{ key: Buffer; bytes?: Uint8Array }> {
  const bytes = await readSource(source);
  const key = keyOf(bytes, options);
  return source.kind === 'file' && bytes.length > LARGE_BYTES ? { key } : { key, bytes };
}

/** The stamp of a file; undefined if it is not a file, or has just changed. */
function stampOf(source: ImageSource, options: DecodeOptions): Promise<Buffer | undefined> | undefined {
  return source.kind === 'file' ? stampKey(source.path, options) : undefined;
}

/** Whether a large file was the same when it was decoded. */
async function isStill(key: Buffer, source: ImageSource, options: DecodeOptions): Promise<boolean> {
  return keyOf(await readSource(source), options).equals(key);
}

/** Everything that an embedding of this model depends on: the bytes and all decode options. */
function keyOf(bytes: Uint8Array, options: DecodeOptions): Buffer {
  const how = decodingOf(options);
  return createHash('sha256').update(`${how.length} ${how}`).update(bytes).digest();
}
