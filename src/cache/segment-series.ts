import { makeFolder } from '../disk/cache-files.ts';
import { isAbsent } from '../disk/exists.ts';
import { type Entry, SegmentWriter } from './segment.ts';

/** A segment has at most 1/16 of the limit of the cache, so that deleting one does not empty the cache, and at most 1 GB. */
const [PARTS, MOST_BYTES] = [16, 1_000_000_000];
/** Another process may delete the folder before a file is created in it. More tries would not help. */
const MOST_TRIES = 5;

/** Writes segments one after the other. If a segment is full, it is closed, and the next one begins. */
export class SegmentSeries {
  private readonly mostBytes: number;
  private writer: SegmentWriter | undefined;
  private started = false;

  /** @param onFull called after each full segment */
  constructor(
    private readonly folder: string,
    private readonly facts: string,
    private readonly keeping: { readonly model: string; readonly limit: number },
    private readonly onFull: () => Promise<void> = async () => {},
  ) {
    this.mostBytes = Math.min(keeping.limit / PARTS, MOST_BYTES);
  }

  /** Whether anything was written. */
  get hasWritten(): boolean {
    return this.started;
  }

  /** @param entries at least one; all of one length */
  async append(entries: readonly Entry[]): Promise<void> {
    this.writer ??= await this.create(entries[0]?.embedding.columns ?? 0);
    this.started = true;
    await this.writer.append(entries);
    if (this.writer.size < this.mostBytes) return;
    await this.close();
    await this.onFull();
  }

  private async create(columns: number): Promise<SegmentWriter> {
    for (let tries = 1; ; tries++) {
      await makeFolder(this.folder);
      try {
        return await SegmentWriter.create(this.folder, this.facts, columns, this.keeping.model);
      } catch (error) {
        if (!isAbsent(error) || tries === MOST_TRIES) throw error;
      }
    }
  }

  /** Closes the current segment. */
  async close(): Promise<void> {
    const { writer } = this;
    this.writer = undefined;
    await writer?.close();
  }
}
