import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../disk/cache-files.ts';
import { type Entry, FINISHED, SegmentReader, SegmentWriter, type Stored, UNFINISHED } from './segment.ts';

/** Small segments are merged if there are more than this number. */
const [SMALL_BYTES, MOST_SMALL] = [8_000_000, 16];
/** An unfinished segment that has not grown for this long belongs to a process that was killed. */
const DEAD_MS = 24 * 3600 * 1000;
/** Entries of one block of a segment. */
const BLOCK = 1024;
/** The most entries that wait for a slow disk. More entries are not stored. */
const MOST_WAITING = 65_536;

/** The place of an embedding in a segment. */
interface Place {
  readonly segment: SegmentReader;
  readonly at: number;
}

/**
 * Embeddings on disk, by a key of 32 bytes. All embeddings of a store share its facts (the model, its precision, …).
 *
 * Each process writes its own segment, and readers use all segments, so no process waits for another. Damaged records are ignored, and
 * disk errors cost only time.
 */
export class EmbeddingStore {
  private readonly segments: SegmentReader[] = [];
  private readonly places = new Map<string, Place>();
  private readonly damaged = new Set<SegmentReader>();
  private readonly rubbish: string[] = [];
  private waiting: Entry[] = [];
  private writing: Promise<void> = Promise.resolve();
  private writer: SegmentWriter | undefined;
  private broken = false;

  private constructor(
    private readonly folder: string,
    private readonly facts: string,
    private readonly onTrouble: (error: unknown) => void,
  ) {}

  /**
   * @param parent the folder of all stores
   * @param facts what all its embeddings have in common, as JSON
   * @param onTrouble called once with the reason if nothing can be written
   */
  static async open(parent: string, facts: string, onTrouble: (error: unknown) => void): Promise<EmbeddingStore> {
    const folder = join(parent, createHash('sha256').update(facts).digest('hex').slice(0, 32));
    const store = new EmbeddingStore(folder, facts, onTrouble);
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      if (!name.endsWith(FINISHED) && !name.endsWith(UNFINISHED)) continue;
      const segment = SegmentReader.open(path, facts);
      if (segment === undefined) store.rubbish.push(path);
      else store.add(segment);
    }
    return store;
  }

  private add(segment: SegmentReader): void {
    this.segments.push(segment);
    if (!segment.whole) this.damaged.add(segment);
    for (const [key, at] of segment.places) this.places.set(key, { segment, at });
  }

  /** @returns undefined if there is no embedding, or it is damaged: it is then computed again */
  get(key: Buffer): Stored | undefined {
    const place = this.places.get(key.toString('latin1'));
    if (place === undefined) return undefined;
    const stored = place.segment.read(key, place.at);
    if (stored === undefined) this.damaged.add(place.segment);
    return stored;
  }

  /** Stores an embedding. It is written in the background. */
  put(entry: Entry): void {
    if (this.broken || this.waiting.length >= MOST_WAITING) return;
    if (this.waiting.push(entry) === 1) this.writing = this.writing.then(() => this.flush());
  }

  private async flush(): Promise<void> {
    try {
      while (this.waiting.length > 0 && !this.broken) {
        const block = this.waiting.splice(0, BLOCK);
        if (this.writer === undefined) {
          await makeFolder(this.folder);
          this.writer = await SegmentWriter.create(this.folder, this.facts, block[0]?.embedding.columns ?? 0);
        }
        await this.writer.append(block);
      }
    } catch (error) {
      this.giveUp(error);
    }
  }

  private giveUp(error: unknown): void {
    if (!this.broken) this.onTrouble(error);
    void this.writer?.close().catch(() => {}); // the written entries stay
    this.writer = undefined;
    this.broken = true;
    this.waiting = [];
  }

  /** Waits until everything is written, and repairs damaged segments. */
  async close(): Promise<void> {
    try {
      await this.writing;
      await this.writer?.close();
      await this.tidy();
    } catch (error) {
      this.giveUp(error);
    }
    for (const segment of this.segments.splice(0)) segment.close();
    this.places.clear();
  }

  /**
   * Writes the valid records of damaged and small segments into one segment. If two processes do this at once, records are written
   * twice. A reader keeps a deleted segment open.
   */
  private async tidy(): Promise<void> {
    if (this.broken) return;
    const finished: SegmentReader[] = [];
    for (const segment of this.segments) if (await isFinished(segment.path)) finished.push(segment);
    const small = finished.filter(({ size }) => size < SMALL_BYTES);
    const merged = finished.filter(
      (segment) => this.damaged.has(segment) || (small.length > MOST_SMALL && small.includes(segment)),
    );
    for (const columns of new Set(merged.map((segment) => segment.columns)))
      await this.merge(
        merged.filter((segment) => segment.columns === columns),
        columns,
      );
    const gone = merged.map(({ path }) => path);
    for (const path of this.rubbish) if (await isFinished(path)) gone.push(path);
    for (const path of gone) await rm(path, { force: true });
  }

  private async merge(segments: readonly SegmentReader[], columns: number): Promise<void> {
    let writer: SegmentWriter | undefined;
    let block: Entry[] = [];
    const flush = async () => {
      if (block.length === 0) return;
      writer ??= await SegmentWriter.create(this.folder, this.facts, columns);
      await writer.append(block);
      block = [];
    };
    const seen = new Set<string>();
    for (const segment of segments) {
      for (const [text, at] of segment.places) {
        const key = Buffer.from(text, 'latin1');
        const stored = seen.has(text) ? undefined : segment.read(key, at);
        if (stored === undefined) continue;
        seen.add(text);
        block.push({ key, ...stored });
        if (block.length === BLOCK) await flush();
      }
    }
    await flush();
    await writer?.close();
  }
}

/** Whether no process writes to a segment any more. */
async function isFinished(path: string): Promise<boolean> {
  if (path.endsWith(FINISHED)) return true;
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > DEAD_MS;
}
