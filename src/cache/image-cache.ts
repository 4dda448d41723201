import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Embedded, ImageEncoder, Stage } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { SmallFileReader } from '../image/small-file.ts';
import { type ImageSource, identityOf, readSource } from '../image/source.ts';
import { PROVIDERS, type Provider } from '../model/choices.ts';
import type { UnitRows } from '../tensor.ts';
import type { EmbeddingCache } from './cache.ts';
import { stampKey } from './stamp.ts';
import type { EmbeddingStore } from './store.ts';

/** Files read at once, by Node's four threads. */
const READERS = 4;
/** Readers that do not come back keep a thread each, of the 64 that such a run has. */
const WARY_READERS = 32;
/** Larger files are read again by whoever decodes them; smaller ones are handed over. */
const LARGE_BYTES = 16_000_000;

/**
 * Encodes each image once: an image whose bytes this model has met before, decoded with the same options, comes from disk.
 * Where all do, the image graph is not opened. A file whose size, inode and times have not changed is not even read.
 *
 * An embedding is kept together with the number of pixels that was allowed when it was made: where fewer are allowed, the
 * image is looked at again.
 */
export class CachedImages implements ImageEncoder {
  private readonly reading: LimitFunction;
  private readonly smallFiles = new SmallFileReader();
  private store: Promise<EmbeddingStore | undefined> | undefined;
  private encodes = false;
  private lastProvider: Provider | undefined;

  /** @param patience seconds that reading a file may take, where it may lie on a disk that does not answer */
  constructor(
    private readonly encoder: ImageEncoder,
    private readonly cache: EmbeddingCache,
    private readonly patience?: number,
  ) {
    this.reading = pLimit(patience === undefined ? READERS : WARY_READERS);
  }

  /** What images run on, or ran on where all came from disk. */
  async provider(): Promise<Provider> {
    return this.encodes ? this.encoder.provider() : (this.lastProvider ?? this.encoder.provider());
  }

  async encode(source: ImageSource, options: DecodeOptions, onStage?: (stage: Stage) => void): Promise<Embedded> {
    this.store ??= this.cache.open('images', { wait: true });
    const store = await this.store;
    const identity = identityOf(source);
    const inTime = <T>(work: Promise<T>) => within(this.patience, identity.image, work);
    try {
      const stamp = await this.reading(async () => inTime(Promise.resolve(stampOf(source, options))));
      const known = stamp && this.lookUp(store, stamp, options);
      if (known) return { ok: true, ...identity, embedding: known };
      const small =
        this.patience === undefined && source.kind === 'file' ? this.smallFiles.read(source.path) : undefined;
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
      const result = { ...(await this.encoder.encode(given, options, onStage)), ...identity };
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

  private lookUp(store: EmbeddingStore | undefined, key: Buffer, { maxPixels }: DecodeOptions): UnitRows | undefined {
    const stored = store?.get(key);
    if (stored === undefined || stored.notes[0] > maxPixels) return undefined;
    const providers = PROVIDERS.filter((one) => one !== 'auto');
    this.lastProvider = providers.find((one) => PROVIDERS.indexOf(one) === stored.notes[1]);
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

/** @throws ImageError if it takes longer; the work goes on, for what waits for a disk cannot be ended */
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

/** @returns the key of an image, and its bytes unless they are many */
async function read(source: ImageSource, options: DecodeOptions): Promise<{ key: Buffer; bytes?: Uint8Array }> {
  const bytes = await readSource(source);
  const key = keyOf(bytes, options);
  return source.kind === 'file' && bytes.length > LARGE_BYTES ? { key } : { key, bytes };
}

/** The stamp of a file; undefined for what is not a file, or has just changed. */
function stampOf(source: ImageSource, options: DecodeOptions): Promise<Buffer | undefined> | undefined {
  return source.kind === 'file' ? stampKey(source.path, options) : undefined;
}

/** Whether a large file was the same when it was decoded. */
async function isStill(key: Buffer, source: ImageSource, options: DecodeOptions): Promise<boolean> {
  return keyOf(await readSource(source), options).equals(key);
}

/** Everything that an embedding of this model depends on: the bytes, and all that is said about decoding them. */
function keyOf(bytes: Uint8Array, { maxPixels: _, ...decoding }: DecodeOptions): Buffer {
  const how = JSON.stringify(Object.entries(decoding).sort());
  return createHash('sha256').update(`${how.length} ${how}`).update(bytes).digest();
}
