import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { takeLock } from '../disk/process-lock.ts';
import { messageOf, OutputError, UsageError } from '../errors.ts';
import type { ImageSource } from '../image/source.ts';
import { isUrl } from '../image/url.ts';
import { openable, pathOf } from '../inputs/path.ts';
import { FileOutput } from './file-output.ts';
import { Journal, type JournalRow, type WrittenRow } from './journal.ts';
import type { Counts, ResultOutput } from './result-output.ts';
import { throwCannotWrite } from './sink.ts';

/** The head of a csv names a column for each of at most a few labels. */
const LONGEST_HEAD = 1 << 20;

/** Everything that the rows of a run depend on, but the images. Plain JSON. */
export type RunSettings = Readonly<Record<string, unknown>>;

/** What becomes of an image: a new row, or the row that an earlier run wrote. */
interface Plan {
  readonly key: string;
  readonly identity: string | null;
  readonly earlier?: WrittenRow;
}

/**
 * A file of rows that a later run can go on with, whatever ended the first. Beside it lie `<file>.run.json`, what the rows
 * depend on, and `<file>.run.rows`, the {@link Journal}; while a run writes it, `<file>.run.lock`.
 *
 * Rows of images that have not changed (size, time of change, inode) are kept; from the first one that has, the file is
 * written anew, and later rows that still hold are copied from where they were.
 */
export class ResumableOutput implements ResultOutput {
  private readonly plans: Plan[] = [];
  private kept = { ok: 0, failed: 0 };
  /** Rows of an earlier run that come after the first change, and the file that they were copied to. */
  private earlier: { readonly rows: ReadonlyMap<string, WrittenRow>; readonly file: FileOutput } | undefined;

  private constructor(
    private readonly path: string,
    private readonly unlock: () => Promise<void>,
    private readonly file: FileOutput,
    /** Of an earlier run, or begun with the first row. */
    private journal?: Journal,
  ) {}

  /**
   * Begins a file.
   *
   * @throws OutputError if it cannot be written, or another run writes it
   */
  static create(path: string, settings: RunSettings): Promise<ResumableOutput> {
    return alone(path, (unlock) => ResumableOutput.begin(path, settings, unlock));
  }

  /**
   * Goes on with a file, or begins it where there is none.
   *
   * @throws UsageError if it was written with other settings, or nothing tells with which or of what its rows are
   * @throws OutputError as {@link create}
   */
  static resume(path: string, settings: RunSettings): Promise<ResumableOutput> {
    return alone(path, async (unlock) => {
      const info = await stat(path).catch(() => undefined);
      if (info === undefined || info.size === 0) return ResumableOutput.begin(path, settings, unlock);
      requireSame(path, await readSettings(path), JSON.parse(JSON.stringify(settings)));
      const file = await FileOutput.open(path);
      const journal = await Journal.open(journalFile(path)).catch(() => undefined);
      const head = await journal?.rows(file.size).next();
      if (journal !== undefined && head?.done === false) return new ResumableOutput(path, unlock, file, journal);
      await journal?.close();
      const rows = await hasRow(file, settings['format'] === 'jsonl' ? 0 : 1);
      await file.close();
      if (rows) {
        const fact = `cannot resume ${path}: its journal ${journalFile(path)} is missing or damaged`;
        throw new UsageError(fact, 'remove --resume to start again, or use another file');
      }
      return ResumableOutput.begin(path, settings, unlock);
    });
  }

  private static async begin(path: string, settings: RunSettings, unlock: () => Promise<void>) {
    await rm(settingsFile(path), { force: true });
    const file = await FileOutput.create(path);
    await writeFile(settingsFile(path), `${JSON.stringify(settings, null, 2)}\n`).catch(cannotWriteBeside(path));
    return new ResumableOutput(path, unlock, file);
  }

  /** The images that have no row yet, or an old one. Whatever is passed over has its row kept. */
  async *remaining(images: AsyncIterable<ImageSource>): AsyncGenerator<ImageSource> {
    const old = this.journal?.rows(this.file.size);
    let last = await nextOf(old); // the head
    let matching = last !== undefined;
    for await (const image of images) {
      const plan = await planFor(image);
      if (matching) {
        const next = await nextOf(old);
        if (next !== undefined && holds(next, plan)) {
          last = next;
          this.count(next.ok);
          continue;
        }
        matching = false;
        await this.goOnAfter(last, next);
      }
      const earlier = this.earlier?.rows.get(plan.key);
      if (earlier !== undefined && holds(earlier, plan)) this.plans.push({ ...plan, earlier });
      else {
        this.plans.push(plan);
        yield image;
      }
    }
    if (matching) await this.goOnAfter(last, undefined);
  }

  async head(text: string): Promise<void> {
    if (this.journal !== undefined) return;
    await this.file.write(text);
    this.journal = await Journal.create(journalFile(this.path), this.file.size).catch(cannotWriteBeside(this.path));
  }

  async row(text: string | Uint8Array, ok: boolean): Promise<void> {
    await this.copyEarlier();
    const plan = this.plans.shift();
    if (plan === undefined) throw new Error('a row without an image');
    await this.write(text, plan, ok);
  }

  async tail(text: string): Promise<Counts> {
    await this.copyEarlier();
    await this.file.write(text);
    return this.kept;
  }

  async close(): Promise<void> {
    await this.earlier?.file.close();
    await this.journal?.close();
    await this.file.close();
    await this.unlock();
  }

  /** Cuts the file after a row; of the rows behind it those that were whole may be used again. */
  private async goOnAfter(last: JournalRow | undefined, next: JournalRow | undefined): Promise<void> {
    if (this.journal === undefined || last === undefined) return;
    if (next !== undefined) this.earlier = await this.setAside(last);
    await this.file.cutAt(last.end);
    await this.journal.cutAfter(last);
  }

  /** Copies the rows after `last` to a file without a name. */
  private async setAside(last: JournalRow) {
    const name = `${this.path}.run.tail`;
    const file = await FileOutput.create(name);
    await rm(name);
    const rows = new Map<string, WrittenRow>();
    const journal = await Journal.open(journalFile(this.path));
    for await (const row of journal.rows(this.file.size)) {
      if (row.start < last.end) continue;
      const bytes = await this.bytesOf(this.file, row);
      rows.set(row.key, { ...row, start: file.size, end: file.size + bytes.length });
      await file.write(bytes);
    }
    await journal.close();
    return { rows, file };
  }

  private async copyEarlier(): Promise<void> {
    for (let plan = this.plans[0]; plan?.earlier !== undefined && this.earlier; plan = this.plans[0]) {
      await this.write(await this.bytesOf(this.earlier.file, plan.earlier), plan, plan.earlier.ok);
      this.count(plan.earlier.ok);
      this.plans.shift();
    }
  }

  private async write(row: string | Uint8Array, { key, identity }: Plan, ok: boolean): Promise<void> {
    const start = this.file.size;
    await this.file.write(row);
    await this.journal?.add({ start, end: this.file.size, key, identity, ok }).catch(cannotWriteBeside(this.path));
  }

  private async bytesOf(file: FileOutput, { start, end }: WrittenRow): Promise<Buffer> {
    const bytes = Buffer.alloc(end - start);
    await file.handle.read(bytes, 0, bytes.length, start);
    return bytes;
  }

  private count(ok: boolean): void {
    this.kept[ok ? 'ok' : 'failed']++;
  }
}

const settingsFile = (path: string) => `${path}.run.json`;
const journalFile = (path: string) => `${path}.run.rows`;

/** Opens an output that no other run writes. @throws OutputError */
async function alone<T>(path: string, open: (unlock: () => Promise<void>) => Promise<T>): Promise<T> {
  const lock = `${path}.run.lock`;
  const unlock = await takeLock(lock).catch(throwCannotWrite(path));
  if (unlock === undefined) {
    const fact = `another run is writing ${path}: ${(await readFile(lock, 'utf8').catch(() => '')).trim()} holds ${lock}`;
    throw new OutputError(fact, 'wait until the other run ends, or use another file');
  }
  try {
    return await open(unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Whether an output has more than the lines of its head: one that was ended before its first row has not. */
async function hasRow({ handle, size }: FileOutput, headLines: number): Promise<boolean> {
  const start = Buffer.alloc(Math.min(size, LONGEST_HEAD));
  await handle.read(start, 0, start.length, 0);
  return size > LONGEST_HEAD || start.filter((byte) => byte === 10).length > headLines;
}

async function readSettings(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(settingsFile(path), 'utf8'));
  } catch (error) {
    throw new UsageError(
      `cannot resume ${path}: its settings file ${settingsFile(path)} is missing or damaged (${messageOf(error)})`,
      'remove --resume to start again, or use another file',
      error,
    );
  }
}

function requireSame(path: string, before: unknown, now: unknown): void {
  const [a, b] = [Object(before) as Record<string, unknown>, Object(now) as Record<string, unknown>];
  const other = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (key) => !isDeepStrictEqual(a[key], b[key]),
  );
  if (other.length === 0) return;
  throw new UsageError(
    `${path} was written with different ${other.join(', ')}`,
    'use the same options, remove --resume to start again, or use another file',
  );
}

async function nextOf(rows: AsyncGenerator<JournalRow> | undefined): Promise<JournalRow | undefined> {
  const next = await rows?.next();
  return next?.done === false ? next.value : undefined;
}

/** Names the image, and says what its file is now. */
async function planFor(image: ImageSource): Promise<Plan> {
  const key = pathOf(image); // the name of two paths that are no valid UTF-8 may be the same
  const isFile = typeof image === 'string' ? !isUrl(image) : 'path' in image;
  if (!isFile) return { key, identity: null };
  const info = await stat(openable(key), { bigint: true }).catch(() => undefined);
  return { key, identity: info === undefined ? 'absent' : `${info.size} ${info.mtimeNs} ${info.ino}` };
}

function holds(row: WrittenRow, { key, identity }: Plan): boolean {
  return row.key === key && identity !== null && row.identity === identity;
}

function cannotWriteBeside(path: string): (error: unknown) => never {
  return (error) => {
    const fact = `cannot write the files for --resume next to ${path}: ${messageOf(error)}`;
    throw new OutputError(fact, 'check the permissions of the folder and the free space', error);
  };
}
