import { createHash } from 'node:crypto';
import { readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAbsent } from '../disk/exists.ts';
import { dropOldSegments } from './bound.ts';
import { KeyTable } from './key-table.ts';
import { type Entry, SegmentReader, type Stored } from './segment.ts';
import { isFinished, isSegment } from './segment-files.ts';
import { SegmentSeries } from './segment-series.ts';

/** Small segments are merged if there are more than this number. */
const [SMALL_BYTES, MOST_SMALL] = [8_000_000, 16];
/** The most entries of one block of a segment. */
const BLOCK = 1024;
/** How long entries wait for others, because a segment of many small blocks is slow to open. */
const GATHER_MS = 100;
/** The most entries that wait for a slow disk. More entries are not stored. */
const MOST_WAITING = 65_536;

/** How a store is kept. */
export interface Keeping {
  /** The name of the model, for people. */
  readonly model: string;
  /** The most bytes of the segments of all stores. Over the limit, the segments that no run used for the longest time are deleted. */
  readonly limit: number;
}

/**
 * Embeddings on disk, by a key of 32 bytes. All embeddings of a store share its facts (the model, its precision, …).
 *
 * Each process writes its own segment, and readers use all segments, so no process waits for another. Damaged records are ignored, and
 * disk errors cost only time.
 */
export class EmbeddingStore {
  private readonly segments: SegmentReader[] = [];
  private readonly damaged = new Set<SegmentReader>();
  private readonly used = new Set<SegmentReader>();
  private readonly rubbish: string[] = [];
  private waiting: Entry[] = [];
  private writing: Promise<void> = Promise.resolve();
  private readonly series: SegmentSeries;
  private readonly closing = new AbortController();
  private broken = false;

  private constructor(
    private readonly parent: string,
    private readonly folder: string,
    private readonly facts: string,
    private readonly onTrouble: (error: unknown) => void,
    private readonly keeping: Keeping,
  ) {
    this.series = new SegmentSeries(folder, facts, keeping, () => this.makeRoom());
  }

  /**
   * @param parent the folder of all stores
   * @param facts what all its embeddings have in common, as JSON
   * @param onTrouble called once if nothing can be read or written
   */
  static async open(
    parent: string,
    facts: string,
    onTrouble: (error: unknown) => void,
    keeping: Keeping = { model: '', limit: Number.POSITIVE_INFINITY },
  ): Promise<EmbeddingStore> {
    const folder = join(parent, createHash('sha256').update(facts).digest('hex').slice(0, 32));
    const store = new EmbeddingStore(parent, folder, facts, onTrouble, keeping);
    const names = await readdir(folder).catch((error: unknown) => {
      if (!isAbsent(error)) store.giveUp(error);
      return [];
    });
    for (const name of names.filter(isSegment)) {
      const path = join(folder, name);
      try {
        const segment = SegmentReader.open(path, facts);
        if (segment === 'rubbish') store.rubbish.push(path);
        else store.add(segment);
      } catch {
        // It was deleted, or belongs to another user. Its embeddings are computed again.
      }
    }
    return store;
  }

  private add(segment: SegmentReader): void {
    this.segments.push(segment);
    if (!segment.whole) this.damaged.add(segment);
  }

  /** @returns undefined if there is no embedding, or it is damaged: it is then computed again */
  get(key: Buffer): Stored | undefined {
    const { segments } = this;
    for (const [n, segment] of segments.entries()) {
      const place = segment.places.get(key);
      if (place === undefined) continue;
      const stored = segment.read(key, place);
      if (stored === undefined) this.damaged.add(segment);
      else {
        this.used.add(segment);
        if (n > 0) segments.unshift(...segments.splice(n, 1)); // the next key is probably in the same one
        return stored;
      }
    }
    return undefined;
  }

  /** Stores an embedding. It is written in the background. */
  put(entry: Entry): void {
    if (this.broken || this.waiting.length >= MOST_WAITING) return;
    if (this.waiting.push(entry) === 1) this.writing = this.writing.then(() => this.flush());
  }

  private async flush(): Promise<void> {
    try {
      while (this.waiting.length > 0 && !this.broken) {
        if (this.waiting.length < BLOCK) await this.gather();
        await this.series.append(this.waiting.splice(0, BLOCK));
      }
    } catch (error) {
      this.giveUp(error);
    }
  }

  private async gather(): Promise<void> {
    const { signal } = this.closing;
    await sleep(GATHER_MS, undefined, { signal }).catch(() => {}); // aborted: the store is being closed
  }

  private giveUp(error: unknown): void {
    if (!this.broken) this.onTrouble(error);
    void this.series.close().catch(() => {}); // the complete blocks stay
    this.broken = true;
    this.waiting = [];
  }

  /** Waits until everything is written, and repairs damaged segments. */
  async close(): Promise<void> {
    this.closing.abort();
    try {
      await this.writing;
      await this.series.close();
      await this.markUsed();
      await this.tidy();
      if (this.series.hasWritten) await this.makeRoom();
    } catch (error) {
      this.giveUp(error);
    }
    for (const segment of this.segments.splice(0)) segment.close();
  }

  /** Sets the time of each used segment. This fails without an error for another user's segment, and on a read-only disk. */
  private async markUsed(): Promise<void> {
    const now = new Date();
    for (const { path } of this.used) if (await isFinished(path)) await utimes(path, now, now).catch(() => {});
  }

  private async makeRoom(): Promise<void> {
    await this.markUsed();
    await dropOldSegments(this.parent, this.keeping.limit);
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
      await this.merge(merged.filter((segment) => segment.columns === columns));
    const gone = merged.map(({ path }) => path);
    for (const path of this.rubbish) if (await isFinished(path)) gone.push(path);
    for (const path of gone) await rm(path, { force: true });
  }

  private async merge(segments: readonly SegmentReader[]): Promise<void> {
    const series = new SegmentSeries(this.folder, this.facts, this.keeping);
    let block: Entry[] = [];
    const seen = new KeyTable();
    for (const segment of segments) {
      for (const [key, at] of segment.places.entries()) {
        const stored = seen.get(key) === undefined ? segment.read(key, at) : undefined;
        if (stored === undefined) continue;
        seen.set(key, 0, at);
        block.push({ key, ...stored });
        if (block.length < BLOCK) continue;
        await series.append(block);
        block = [];
      }
    }
    if (block.length > 0) await series.append(block);
    await series.close();
  }
}
