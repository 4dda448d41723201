import { rm, stat } from 'node:fs/promises';
import { cannotWrite, throwCannotWrite } from '../disk/whole-file.ts';
import type { ImageErrorCode } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { FileOutput } from './file-output.ts';
import { holds, identify, type NamedImage } from './image-identity.ts';
import { digestOf, Journal, type JournalRow, type WrittenRow } from './journal.ts';
import { OutputLock } from './output-lock.ts';
import type { Counts, ResultOutput } from './result-output.ts';
import {
  cannotWriteBeside,
  describes,
  hasRow,
  journalFile,
  nextOf,
  notResumable,
  openJournal,
  readSettings,
  settingsFile,
  writeSettings,
} from './resume-files.ts';
import { type RunSettings, requireSame } from './run-settings.ts';
import { WrittenRows } from './written-rows.ts';

/** How an output is resumed. */
export interface ResumeOptions {
  /** Whether contents decide if an image has changed, not times of change. */
  readonly checksum?: boolean;
  readonly onWarning?: (message: string) => void;
}

/** The row of an image: a new one, or the row of an earlier run. */
interface Plan extends NamedImage {
  readonly earlier?: WrittenRow;
}

/**
 * A file of rows that a later run can continue after any kind of end. Next to it are `<file>.run.json` with the settings that the rows
 * depend on, `<file>.run.rows` with the {@link Journal} and, during a run, `<file>.run.lock`.
 *
 * Rows of unchanged images are kept if their bytes are unchanged, too. From the first changed image on, the file is written again,
 * and later rows that are still valid are copied.
 */
export class ResumableOutput implements ResultOutput {
  private readonly plans: Plan[] = [];
  private kept = { ok: 0, failed: 0 };
  /** Rows of an earlier run after the first changed image, and the file that they were copied to. */
  private earlier: { readonly rows: ReadonlyMap<string, WrittenRow>; readonly file: FileOutput } | undefined;

  private constructor(
    private readonly lock: OutputLock,
    private readonly file: FileOutput,
    private readonly checksum: boolean,
    /** The journal of the earlier run, or a new one that begins with the first row. */
    private journal?: Journal,
  ) {}

  /**
   * Begins a file.
   *
   * @throws OutputError if it cannot be written, or another run writes it
   */
  static create(path: string, settings: RunSettings, options: ResumeOptions = {}): Promise<ResumableOutput> {
    return alone(path, (lock) => ResumableOutput.begin(lock, settings, options));
  }

  /**
   * Continues a file, or begins it if there is none.
   *
   * @throws UsageError if it was written with different settings, or is not the file that its journal describes
   * @throws OutputError as {@link create}
   */
  static resume(given: string, settings: RunSettings, options: ResumeOptions = {}): Promise<ResumableOutput> {
    return alone(given, async (lock) => {
      const { path } = lock;
      const info = await stat(path).catch(() => undefined);
      if (info === undefined || info.size === 0) return ResumableOutput.begin(lock, settings, options);
      requireSame(given, await readSettings(path), settings, options.onWarning);
      await lock.part([journalFile(path)]);
      const file = await FileOutput.open(lock);
      const journal = await openJournal(given, path);
      try {
        if (journal !== undefined && (await describes(journal, file, given)))
          return new ResumableOutput(lock, file, options.checksum ?? false, journal);
        if (await hasRow(file, settings['format'] === 'jsonl' ? 0 : 1))
          throw notResumable(given, `its journal ${journalFile(path)} is missing or damaged`);
      } catch (error) {
        await journal?.close();
        await file.close();
        throw error;
      }
      await journal?.close();
      await file.close();
      return ResumableOutput.begin(lock, settings, options);
    });
  }

  private static async begin(lock: OutputLock, settings: RunSettings, { checksum = false }: ResumeOptions) {
    const { path } = lock;
    await rm(settingsFile(path), { force: true }).catch(cannotWriteBeside(path));
    const file = await FileOutput.create(lock);
    try {
      await writeSettings(path, settings);
    } catch (error) {
      await file.close();
      return cannotWriteBeside(path)(error);
    }
    return new ResumableOutput(lock, file, checksum);
  }

  /** The images without a row, or with an outdated row. The rows of the other images are kept. */
  async *remaining(images: AsyncIterable<ImageSource>): AsyncGenerator<ImageSource> {
    const old = this.journal?.rows(this.file.size);
    const written = new WrittenRows(this.file);
    let last = await nextOf(old); // the head
    let matching = last !== undefined;
    for await (const image of images) {
      const plan = await identify(image, this.checksum);
      if (matching) {
        const next = await nextOf(old);
        if (next !== undefined && holds(next, plan) && (await written.read(next)) !== undefined) {
          last = next;
          this.count(next.failure);
          continue;
        }
        matching = false;
        await this.continueAfter(last, next);
      }
      const earlier = this.earlier?.rows.get(plan.key);
      if (earlier !== undefined && holds(earlier, plan)) this.plans.push({ ...plan, earlier });
      else {
        this.plans.push(plan);
        yield image;
      }
    }
    if (matching) await this.continueAfter(last, undefined);
  }

  async head(text: string): Promise<void> {
    if (this.journal !== undefined) return;
    await this.file.write(text);
    const { path } = this.lock;
    this.journal = await Journal.create(journalFile(path), Buffer.from(text)).catch(cannotWriteBeside(path));
  }

  async row(text: string | Uint8Array, failure?: ImageErrorCode): Promise<void> {
    await this.copyEarlier();
    const plan = this.plans.shift();
    if (plan === undefined) throw new Error('a row without an image');
    await this.write(text, plan, failure);
  }

  async tail(text: string): Promise<Counts> {
    await this.copyEarlier();
    await this.file.write(text);
    return this.kept;
  }

  async close(): Promise<void> {
    try {
      await this.earlier?.file.close();
      await this.journal?.close();
      await this.file.close();
    } finally {
      await this.lock.release();
    }
  }

  /** Truncates the file after a row. Later rows that are complete may be used again. */
  private async continueAfter(last: JournalRow | undefined, next: JournalRow | undefined): Promise<void> {
    if (this.journal === undefined || last === undefined) return;
    if (next !== undefined) this.earlier = await this.setAside(last);
    await this.lock.check(true);
    await this.file.cutAt(last.end).catch(throwCannotWrite(this.lock.path));
    await this.journal.cutAfter(last).catch(cannotWriteBeside(this.lock.path));
  }

  /** Copies the rows after `last` to a file without a name. */
  private async setAside(last: JournalRow) {
    const { path } = this.lock;
    const name = `${path}.run.tail`;
    const file = await FileOutput.beside(name, path).catch(cannotWriteBeside(path));
    await rm(name);
    const rows = new Map<string, WrittenRow>();
    const written = new WrittenRows(this.file);
    const journal = await Journal.open(journalFile(path));
    for await (const row of journal.rows(this.file.size)) {
      if (row.start < last.end) continue;
      const bytes = await written.read(row);
      if (bytes === undefined) continue;
      rows.set(row.key, { ...row, start: file.size, end: file.size + bytes.length });
      await file.write(bytes);
    }
    await journal.close();
    return { rows, file };
  }

  private async copyEarlier(): Promise<void> {
    for (let plan = this.plans[0]; plan?.earlier !== undefined && this.earlier; plan = this.plans[0]) {
      const bytes = await new WrittenRows(this.earlier.file).read(plan.earlier);
      if (bytes === undefined) throw cannotWrite(this.lock.path, new Error('the rows set aside cannot be read'));
      await this.write(bytes, { ...plan, identity: plan.earlier.identity }, plan.earlier.failure);
      this.count(plan.earlier.failure);
      this.plans.shift();
    }
  }

  private async write(row: string | Uint8Array, { key, identity }: Plan, failure?: ImageErrorCode): Promise<void> {
    const start = this.file.size;
    const bytes = typeof row === 'string' ? Buffer.from(row) : row;
    await this.file.write(bytes);
    const written = { start, end: this.file.size, digest: digestOf(bytes), key, identity };
    await this.journal
      ?.add(failure === undefined ? written : { ...written, failure })
      .catch(cannotWriteBeside(this.lock.path));
  }

  private count(failure: ImageErrorCode | undefined): void {
    this.kept[failure === undefined ? 'ok' : 'failed']++;
  }
}

/** Opens an output that no other run writes. @throws OutputError */
async function alone<T>(path: string, open: (lock: OutputLock) => Promise<T>): Promise<T> {
  const lock = await OutputLock.take(path);
  try {
    return await open(lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}
